"""A real host for the doctor: its own config.toml and state folder, a GitLab and an Engine that a test can spoil."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LAUNCHER = str(Path(sys.executable).parent / "executor")
EXAMPLE = Path(__file__).parents[2] / "config.toml.example"
ENGINE = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
SECONDS = 30


class GitLab:
    """Answers every request with `status`, after `delay` seconds, and a clock that is `ahead` seconds."""

    def __init__(self) -> None:
        self.status, self.ahead, self.delay, self.body = 200, 0.0, 0.0, b"{}"
        self.requests: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _GitLabHandler)
        self._server.daemon_threads = True
        self._server.gitlab = self  # type: ignore[attr-defined]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        """What config.toml calls `url`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _GitLabHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        gitlab: GitLab = self.server.gitlab  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        gitlab.requests.append(f"{self.command} {self.path} {body.decode()}")
        time.sleep(gitlab.delay)
        with contextlib.suppress(OSError):
            self.send_response(gitlab.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(gitlab.body)))
            self.end_headers()
            self.wfile.write(gitlab.body)

    do_GET = do_POST

    def date_time_string(self, timestamp: float | None = None) -> str:
        gitlab: GitLab = self.server.gitlab  # type: ignore[attr-defined]
        return formatdate(time.time() + gitlab.ahead, usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


class SpoiltEngine:
    """This host's Engine on a socket of its own. `answers` replaces values of what it says, by path.

    With `silent` it takes requests and says nothing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: dict[str, dict[str, Any]] = {}
        self.silent = False
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(64)
        path.chmod(0o660)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Go away, and leave the socket's file behind as a crash does."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        request = client.recv(65536)
        if self.silent:
            self._open.append(client)
            return
        answer = _ask_engine(request)
        change = self.answers.get(request.split(b" ")[1].decode())
        if change is not None:
            answer = _spoilt(answer, change)
        with contextlib.suppress(OSError), client:
            client.sendall(answer)


def _ask_engine(request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as engine:
        engine.connect(ENGINE)
        engine.sendall(request)
        return b"".join(iter(lambda: engine.recv(65536), b""))


def _spoilt(answer: bytes, change: Mapping[str, Any]) -> bytes:
    """The answer with some values changed. `status` and `message` make a refusal of it."""
    if "status" in change:
        body = json.dumps({"message": change["message"]}).encode()
        return f"HTTP/1.1 {change['status']} No\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    _, _, body = answer.partition(b"\r\n\r\n")
    text = body if body.startswith(b"{") else _unchunked(body)
    body = json.dumps({**json.loads(text), **change}).encode()
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _unchunked(body: bytes) -> bytes:
    text = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        text += rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :] if int(size, 16) else b""
    return text


class DoctorHost:
    """A folder with config.toml as the example has it, and what `executor doctor` says of it.

    `folder` must be one that every account may enter, for the service may run as another than root.
    """

    def __init__(self, folder: Path, gitlab: GitLab) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.state_dir = folder / "state"
        self.token = "glrt-" + "t1_" + "doctorsecret12345"
        text = EXAMPLE.read_text()
        for old, new in {
            "https://gitlab.example.com": gitlab.url,
            "REPLACE_WITH_RUNNER_TOKEN": self.token,
            "/etc/gitlab-runner/config.toml": str(self.config),
            "/usr/local/bin/executor": LAUNCHER,
        }.items():
            assert old in text
            text = text.replace(old, new)
        self.config.write_text(text)
        self.config.chmod(0o600)
        self.executor_toml(f'[storage]\nstate_dir = "{self.state_dir}"\n')

    def executor_toml(self, text: str) -> None:
        """Write executor.toml."""
        (self.folder / "executor.toml").write_text(text)

    def change(self, old: str, new: str) -> None:
        """Change config.toml."""
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def use_engine(self, engine: SpoiltEngine) -> None:
        """Let config.toml name another Engine."""
        self.change("  [runners.docker]\n", f'  [runners.docker]\n    host = "unix://{engine.path}"\n')

    def call(self, *words: str, before: Sequence[str] = (), **environment: str) -> subprocess.CompletedProcess[str]:
        """`executor doctor`; `before` is a command that runs it."""
        return subprocess.run(
            [*before, LAUNCHER, "doctor", "--config", str(self.config), *words],
            capture_output=True,
            text=True,
            timeout=SECONDS * 5,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def report(self, *words: str, before: Sequence[str] = (), **environment: str) -> dict[str, Any]:
        """What `--json` says, whole."""
        ended = self.call(*words, "--json", before=before, **environment)
        assert "Traceback" not in ended.stderr, ended.stderr
        report: dict[str, Any] = json.loads(ended.stdout)
        assert ended.returncode == (1 if report["counts"]["error"] + report["counts"]["crashed"] else 0)
        return report

    def wrong(self, *words: str, before: Sequence[str] = (), **environment: str) -> dict[str, str]:
        """The checks that complain, and their status."""
        report = self.report(*words, before=before, **environment)
        bad = ("error", "warning", "crashed")
        return {check["id"]: check["status"] for check in report["checks"] if check["status"] in bad}

    def mounted(self, path: Path, options: str, *steps: str) -> list[str]:
        """A command in a namespace of its own, where a small file system in memory is mounted at `path`."""
        path.mkdir(parents=True, exist_ok=True)
        mount = f"mount -t tmpfs -o {options} tmpfs {path}"
        script = " && ".join(["mount --make-rprivate /", mount, *steps, 'exec "$@"'])
        return ["unshare", "--mount", "sh", "-c", script, "sh"]
