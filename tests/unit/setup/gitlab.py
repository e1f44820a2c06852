"""A small GitLab on the loopback, for the requests of `executor register` and `executor unregister`."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from pathlib import Path

ACCESS_TOKEN = "glpat-" + "an-operators-own"
RUNNER_TOKEN = "glrt-" + "t1_" + "secretofarunner"
NUMBER = 42


class GitLab:
    """Knows one runner and one operator. `status` and `body` answer every request in their place, after `delay` s.

    `certificate` (a PEM file with the key) makes it HTTPS.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.scheme = "https" if certificate else "http"
        self.status = 0
        self.body = b"{}"
        self.headers: dict[str, str] = {}
        self.delay = 0.0
        self.only = ""
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.gitlab = self  # type: ignore[attr-defined]
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """What `--url` gets."""
        return f"{self.scheme}://{self.address}"

    def fail(self, status: int, body: str = "{}", *, only: str = "", **headers: str) -> None:
        """Answer with `status` from now on; `only` requests whose path has that word in it."""
        self.status, self.body, self.headers, self.only = status, body.encode(), headers, only

    def asked(self) -> list[str]:
        """Methods and paths, in their order."""
        return [f"{method} {path}" for method, path, _ in self.requests]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        gitlab: GitLab = self.server.gitlab  # type: ignore[attr-defined]
        fields = self._fields(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        gitlab.requests.append((self.command, self.path, fields))
        time.sleep(gitlab.delay)
        if gitlab.status and gitlab.only in self.path:
            self._answer(gitlab.status, gitlab.body, gitlab.headers)
        else:
            status, content = self._honest(fields)
            self._answer(status, json.dumps(content).encode() if content is not None else b"", {})

    do_GET = do_DELETE = do_POST

    def _honest(self, fields: dict[str, Any]) -> tuple[int, Any]:
        knows_runner = fields.get("token") == RUNNER_TOKEN
        knows_operator = self.headers.get("PRIVATE-TOKEN") == ACCESS_TOKEN
        match (self.command, self.path):
            case ("POST", "/api/v4/runners/verify"):
                return (200, {"id": NUMBER, "token": RUNNER_TOKEN}) if knows_runner else (403, {"message": "403"})
            case ("DELETE", "/api/v4/runners"):
                return (204, None) if knows_runner else (403, {"message": "403 Forbidden"})
            case ("POST", "/api/v4/user/runners"):
                return (201, {"id": NUMBER, "token": RUNNER_TOKEN}) if knows_operator else (401, {"message": "401"})
            case ("GET", "/api/v4/projects/virida%2Fapp"):
                return (200, {"id": 7}) if knows_operator else (401, {"message": "401 Unauthorized"})
        return 404, {"message": "404 Not Found"}

    def _fields(self, body: bytes) -> dict[str, Any]:
        if body and self.headers.get("Content-Type", "").startswith("application/json"):
            fields: dict[str, Any] = json.loads(body)
            return fields
        return {name: values[0] for name, values in parse_qs(body.decode()).items()}

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        with contextlib.suppress(ConnectionError):
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""
