"""A proxy on the loopback before an S3 server, which can spoil what the server answers."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BUFFER = 65536
ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>a-secret-of-the-operator</Message></Error>"


@dataclass(frozen=True)
class Fault:
    """What happens to requests whose path holds `where`.

    `status` with `code` answers in the server's place; else `kind` spoils the answer: cut, stall, wrong, short or
    garbage.
    """

    where: str = ""
    kind: str = ""
    status: int = 0
    code: str = ""


class FaultyProxy:
    """Passes requests on to the server at `port` but for its fault; `seen` is what was asked, `bytes` what passed."""

    def __init__(self, port: int) -> None:
        self.fault = Fault(where="no path holds this")
        self.target = port
        self.seen: list[tuple[str, str]] = []
        self.bytes = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


def _handler(proxy: FaultyProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            """Whatever the method is."""
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            proxy.seen.append((self.command, self.path))
            fault = proxy.fault if proxy.fault.where in self.path else None
            if fault and fault.status:
                self._answer(fault.status, {"Content-Type": "application/xml"}, ERROR.format(code=fault.code).encode())
                return
            connection = http.client.HTTPConnection("127.0.0.1", proxy.target, timeout=60)
            connection.request(self.command, self.path, sent, dict(self.headers.items()))
            answer = connection.getresponse()
            body = answer.read()
            proxy.bytes += len(body) + len(sent)
            headers = {name: value for name, value in answer.getheaders() if name.lower() != "transfer-encoding"}
            if fault and fault.kind:
                self._spoil(fault.kind, answer.status, headers, body)
            else:
                self._answer(answer.status, headers, body)

        def _answer(self, status: int, headers: dict[str, str], body: bytes, length: int | None = None) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "connection", "date", "server"):
                    self.send_header(name, value)
            known = headers.get("Content-Length", str(len(body))) if self.command == "HEAD" else str(len(body))
            self.send_header("Content-Length", known if length is None else str(length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _spoil(self, kind: str, status: int, headers: dict[str, str], body: bytes) -> None:
            half = body[: len(body) // 2]
            if kind == "short":
                self._answer(status, headers, half)
            elif kind == "garbage":
                self._answer(status, headers, b"<html>not what you asked for</html>")
            elif kind == "wrong":
                self._answer(status, headers, half + bytes(byte ^ 1 for byte in body[len(half) :]))
            else:
                self._answer(status, headers, half, len(body))
                self.wfile.flush()
                if kind == "stall":
                    time.sleep(60)
                self.close_connection = True
                self.connection.close()

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _handle

        def log_message(self, *_: object) -> None:
            """Quietly."""

    return Handler
