"""A small GitLab on the loopback that takes statuses of commits and notes of merge requests."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "glpat-" + "an-operators-own"
ME = 7


class GitLab:
    """Keeps statuses and notes. `status` answers every request in their place, after `delay` seconds."""

    def __init__(self) -> None:
        self.status, self.delay = 0, 0.0
        self.headers: dict[str, str] = {}
        self.statuses: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, method: str, path: str, sent: dict[str, Any]) -> tuple[int, Any]:
        if path == "/api/v4/user":
            return 200, {"id": ME}
        if method == "POST" and "/statuses/" in path:
            self.statuses.append({"sha": path.rpartition("/")[2], **sent})
            return 201, sent
        if method == "POST":
            self.notes.append({"id": len(self.notes) + 1, "author": {"id": ME}, **sent})
            return 201, self.notes[-1]
        if method == "PUT":
            note = self.notes[int(path.rpartition("/")[2]) - 1]
            note.update(sent)
            return 200, note
        return 200, self.notes


def _handler(gitlab: GitLab) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            """Whatever the method is."""
            gitlab.tokens.add(self.headers.get("PRIVATE-TOKEN", ""))
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            time.sleep(gitlab.delay)
            path = self.path.partition("?")[0]
            status, value = (
                (gitlab.status, {}) if gitlab.status else gitlab.answer(self.command, path, json.loads(sent or b"{}"))
            )
            body = json.dumps(value).encode()
            self.send_response(status)
            for name, text in {"Content-Type": "application/json", **gitlab.headers}.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = _handle

        def log_message(self, *_: object) -> None:
            """Quietly."""

    return Handler
