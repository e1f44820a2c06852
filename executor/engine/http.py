"""HTTP/1.1 as the Engine speaks it, over a Unix socket or TCP: one connection a request.

Importing `http.client` costs a driver phase 40 ms, and it cannot have several requests under way; this can: `send`
all of them, then read each reply.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from executor.errors import SystemFailure

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from executor.engine.endpoint import Endpoint

REPLY_SECONDS = 120.0
SEND_SECONDS = 10.0

# An Engine at work may be silent for long, but one that says nothing to a ping either is not at work.
PATIENCE_SECONDS = 5.0


class Broken(SystemFailure):
    """The connection to the Engine ended, or what came is not HTTP."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"The Docker Engine stopped answering ({detail}).",
            cause="It was restarted or crashed.",
            fix="Check it with `docker info`; the job can be retried.",
        )


class Incoming:
    """What comes over one connection. Silence is borne for `seconds` (None: without end), while `lives` says that the
    other side is at work.
    """

    def __init__(self, connection: socket.socket, seconds: float | None, lives: Callable[[], bool]) -> None:
        self._connection = connection
        self._seconds = float("inf") if seconds is None else seconds
        self._lives = lives
        self._rest = b""

    def piece(self) -> bytes:
        """What is there, else what comes next; empty at the end."""
        piece, self._rest = self._rest, b""
        return piece or self._receive()

    def line(self) -> bytes:
        """All up to a line's end; at the end what is left."""
        while b"\n" not in self._rest and (piece := self._receive()):
            self._rest += piece
        line, end, self._rest = self._rest.partition(b"\n")
        return line + end

    def exactly(self, size: int) -> bytes:
        """So many bytes; fewer at the end."""
        pieces: list[bytes] = []
        while size and (piece := self.piece()):
            pieces.append(piece[:size])
            self._rest = piece[size:]
            size -= len(pieces[-1])
        return b"".join(pieces)

    def close(self) -> None:
        """Give the connection back to the kernel."""
        self._connection.close()

    def _receive(self) -> bytes:
        deadline = time.monotonic() + self._seconds
        while (piece := self._receive_soon(deadline)) is None:
            if time.monotonic() >= deadline or not self._lives():
                self.close()
                raise Broken("no answer in time")
        return piece

    def _receive_soon(self, deadline: float) -> bytes | None:
        """What comes before our patience ends, None where nothing does. `select` would not see what TLS holds back."""
        self._connection.settimeout(max(0.001, min(PATIENCE_SECONDS, deadline - time.monotonic())))
        try:
            return self._connection.recv(65536)
        except TimeoutError:
            return None
        except OSError as error:
            raise Broken(error.strerror or "connection lost") from None


class Reply:
    """The answer to one request. `status` and the headers are read at once, the body when it is asked for."""

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming
        self.status = self._read_status()
        self._headers = dict(self._read_headers())

    def body(self) -> bytes:
        """The whole body; the connection is closed after it."""
        try:
            return b"".join(self.chunks())
        finally:
            self.close()

    def chunks(self) -> Iterator[bytes]:
        """The body in pieces as they arrive."""
        if self._headers.get("transfer-encoding") == "chunked":
            yield from self._chunked()
        elif "content-length" in self._headers:
            yield self._exactly(_size(self._headers["content-length"], 10))
        elif self.status not in (204, 304):
            yield from iter(self._incoming.piece, b"")

    def lines(self) -> Iterator[bytes]:
        """The body line by line, for streams of JSON values."""
        rest = b""
        for chunk in self.chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
        if rest:
            yield rest

    def close(self) -> None:
        """Give the connection back to the kernel."""
        self._incoming.close()

    def _read_status(self) -> int:
        version, _, rest = self._line().partition(b" ")
        status = rest.split(b" ")[0].strip()
        if not version.startswith(b"HTTP/") or not status.isdigit():
            raise Broken("an answer that is not HTTP")
        return int(status)

    def _read_headers(self) -> Iterator[tuple[str, str]]:
        while line := self._line().strip():
            name, _, value = line.partition(b":")
            yield name.decode("latin-1").lower(), value.strip().decode("latin-1").lower()

    def _chunked(self) -> Iterator[bytes]:
        while size := self._chunk_size():
            yield self._exactly(size)
            self._line()

    def _chunk_size(self) -> int:
        return _size(self._line().split(b";")[0].decode("latin-1"), 16)

    def _exactly(self, size: int) -> bytes:
        data = self._incoming.exactly(size)
        if len(data) < size:
            raise Broken("the answer was cut off")
        return data

    def _line(self) -> bytes:
        """A whole line: of half of one a status or the headers' end would be made."""
        line = self._incoming.line()
        if not line.endswith(b"\n"):
            raise Broken("the answer was cut off" if line else "no answer")
        return line


def _size(text: str, base: int) -> int:
    """The size of what follows; a sign is no digit of one."""
    try:
        size = int(text, base)
    except ValueError:
        size = -1
    if size < 0:
        raise Broken("an answer that is not HTTP")
    return size


class Pending:
    """A request that is under way."""

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming

    def reply(self) -> Reply:
        """Wait for the answer, while the Engine answers at all."""
        return Reply(self._incoming)


def _answers(endpoint: Endpoint) -> bool:
    try:
        send(endpoint, "GET", "/_ping", seconds=PATIENCE_SECONDS).reply().close()
    except SystemFailure:
        return False
    return True


def send(
    endpoint: Endpoint,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    seconds: float | None = REPLY_SECONDS,
) -> Pending:
    """Start a request. `body` becomes JSON; `seconds` bounds each wait for data (None: no bound)."""
    connection = endpoint.connect(SEND_SECONDS)
    data = b"" if body is None else json.dumps(body).encode()
    fields = {
        "Host": "docker",
        "Content-Type": "application/json",
        "Content-Length": str(len(data)),
        "Connection": "close",
        **(headers or {}),
    }
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    try:
        connection.sendall(head.encode() + b"\r\n" + data)
    except OSError as error:
        raise Broken(error.strerror or "connection lost") from None
    return Pending(Incoming(connection, seconds, lambda: _answers(endpoint)))
