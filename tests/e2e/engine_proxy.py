"""A socket between the driver and the Engine that a test can cut or make fall silent."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_ENGINE = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")


class EngineProxy:
    """Relays `path` (a Unix socket that it makes) to the Engine of this host."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.Lock()
        self._before: tuple[str, list[str]] = ("", [])
        self._flows = threading.Event()
        self._flows.set()
        self._last_words: int | None = None
        self._connections: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def option(self) -> str:
        """The line of `[runners.docker]` that leads through here."""
        return f'    host = "unix://{self.path}"'

    def fall_silent(self) -> None:
        """Take connections and requests as before, and let no byte through."""
        self._flows.clear()

    def fall_silent_in_an_answer(self, size: int) -> None:
        """Let `size` bytes of what the Engine says next through, and then nothing."""
        self._last_words = size

    def speak_again(self) -> None:
        """Let through what was held back."""
        self._flows.set()

    def run_before(self, request: str, command: list[str]) -> None:
        """Run a command once, before the Engine hears of the first request whose first line holds `request`."""
        self._before = (request, command)

    def cut(self) -> None:
        """Go away, as an Engine that crashed: connections end, new ones are refused."""
        self._listener.close()
        self.path.unlink(missing_ok=True)
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                engine = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                engine.connect(_ENGINE)
                self._connections += [client, engine]
                for source, target in ((client, engine), (engine, client)):
                    threading.Thread(target=self._relay, args=(source, target), daemon=True).start()

    def _relay(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._before_request(data.split(b"\r\n", 1)[0].decode(errors="replace"))
                if self._last_words is not None and data.startswith(b"HTTP/"):
                    target.sendall(data[: self._last_words])
                    data = data[self._last_words :]
                    self._last_words = None
                    self.fall_silent()
                self._flows.wait()
                target.sendall(data)
            self._flows.wait()
            target.shutdown(socket.SHUT_WR)

    def _before_request(self, line: str) -> None:
        with self._turn:
            request, command = self._before
            if request and request in line:
                self._before = ("", [])
                subprocess.check_call(command, stdout=subprocess.DEVNULL)
