"""A server on a Unix socket that says exactly what a test tells it to, byte for byte."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executor.engine.endpoint import Endpoint

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Halting:
    """An answer that halts after `begun`, for good or until `rest` comes after `seconds`."""

    begun: bytes
    rest: bytes = b""
    seconds: float = 0


class FakeServer:
    """Answers each connection with the next of `answers`; None is a server that takes the request and says nothing.

    `requests` are the requests as they came, head and body.
    """

    def __init__(self, path: Path, answers: list[bytes | Halting | None]) -> None:
        self.requests: list[bytes] = []
        self.endpoint = Endpoint(host=f"unix://{path}")
        self._answers = answers
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and hang up on everybody."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for connection in self._open:
            connection.close()

    def _serve(self) -> None:
        for answer in self._answers:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.requests.append(_request(connection))
            if isinstance(answer, bytes):
                with contextlib.suppress(BrokenPipeError), connection:
                    connection.sendall(answer)
                continue
            self._open.append(connection)
            if answer:
                self._halt(connection, answer)

    def _halt(self, connection: socket.socket, answer: Halting) -> None:
        connection.sendall(answer.begun)
        if answer.rest:
            threading.Timer(answer.seconds, self._go_on, (connection, answer.rest)).start()

    @staticmethod
    def _go_on(connection: socket.socket, rest: bytes) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(rest)
            connection.shutdown(socket.SHUT_RDWR)


def _request(connection: socket.socket) -> bytes:
    """One request: its head, and as much of a body as the head announces."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(status: int, value: Any = None) -> bytes:
    """An answer with a JSON body and its length."""
    body = b"" if value is None else json.dumps(value).encode()
    return f"HTTP/1.1 {status} Word\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def chunked(*chunks: bytes, status: int = 200) -> bytes:
    """An answer in chunks, closed properly."""
    head = f"HTTP/1.1 {status} Word\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
