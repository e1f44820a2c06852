"""A small GitLab: hands out jobs, takes logs and artifacts, serves repositories, an object store, an empty registry."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from tests.e2e.jobs import Job, JobRecord, Upload
from tests.e2e.repositories import git_http_backend

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# The runner asks again a whole second after "no job"; an answer held back makes it start the next job at once.
_HOLD_SECONDS = 4.0


def bridge_address() -> str:
    """The host's address on Docker's default bridge: containers of every bridge network reach it."""
    printed = subprocess.check_output(["docker", "network", "inspect", "bridge", "-f", "{{json .IPAM.Config}}"])
    config: dict[str, str] = json.loads(printed)[0]
    network, _, _ = config["Subnet"].partition("/")
    return config.get("Gateway") or network.rsplit(".", 1)[0] + ".1"


class Coordinator:
    """The server, on the default bridge's address. `repositories` is a folder of bare repositories.

    `objects` is an object store: path without query to content. `certificate` (a PEM file with the key) makes it HTTPS.
    `runner_tokens` are those that it verifies.
    """

    def __init__(self, repositories: Path, certificate: Path | None = None) -> None:
        self.repositories = repositories
        self.objects: dict[str, bytes] = {}
        self.runner_tokens: set[str] = set()
        self.records: dict[int, JobRecord] = {}
        self._queues: dict[str, list[JobRecord]] = {}
        self._change = threading.Condition()
        self._open = True
        self.scheme = "https" if certificate else "http"
        self._servers = [self._serve(bridge_address(), certificate), self._serve("127.0.0.1", None)]
        self.host, self.port = self._servers[0].server_address[0], self._servers[0].server_address[1]

    @property
    def address(self) -> str:
        """Host and port, for containers and the runner."""
        return f"{self.host!s}:{self.port}"

    @property
    def url(self) -> str:
        """What config.toml calls `url`."""
        return f"{self.scheme}://{self.address}"

    @property
    def registry(self) -> str:
        """A registry that has no image, on an address that every Docker engine may use without TLS."""
        return f"127.0.0.1:{self._servers[1].server_address[1]}"

    def submit(self, job: Job, runner_token: str) -> JobRecord:
        """Queue a job for one runner."""
        record = self.expect(job)
        with self._change:
            self._queues.setdefault(runner_token, []).append(record)
            self._change.notify_all()
        return record

    def expect(self, job: Job) -> JobRecord:
        """Know a job without queueing it: one whose calls are replayed, or whose artifacts others download."""
        record = JobRecord(job, job.response(self.address, self.scheme))
        self.records[job.id] = record
        return record

    def next_job(self, runner_token: str, still_there: Callable[[], bool]) -> JobRecord | None:
        """The oldest queued job of the runner; None after a few seconds without one, or if the runner is gone."""
        deadline = time.monotonic() + _HOLD_SECONDS
        with self._change:
            while self._open and not self._queues.get(runner_token):
                if not self._change.wait(deadline - time.monotonic()):
                    return None
            return self._queues[runner_token].pop(0) if self._open and still_there() else None

    def close(self) -> None:
        """Answer waiting runners, and stop."""
        with self._change:
            self._open = False
            self._change.notify_all()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def _serve(self, host: str, certificate: Path | None) -> _Server:
        server = _Server((host, 0), _Handler)
        server.coordinator = self
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    coordinator: Coordinator

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error: runners are killed here."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _handle(self) -> None:
        """Answer one request with the first route that matches its method and path."""
        self.body = self._read_body()
        parts = urlsplit(self.path)
        self.query = dict(parse_qsl(parts.query))
        for method, pattern, answer in _ROUTES:
            found = re.fullmatch(pattern, parts.path)
            if found and re.fullmatch(method, self.command):
                answer(self, *found.groups())
                return
        self.answer(404)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def answer(self, status: int, content: Any = None, headers: dict[str, str] | None = None) -> None:
        """Send a status with JSON, or bytes as they are."""
        body = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        kind = "application/octet-stream" if isinstance(content, bytes) else "application/json"
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: the tests' own output says what matters."""

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _connected(self) -> bool:
        """Is the client still there? One that was killed must not take a job along."""
        try:
            return bool(self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True

    def _record(self, job_id: str) -> JobRecord:
        return self.server.coordinator.records[int(job_id)]

    def _authorized(self, job_id: str) -> bool:
        return self.headers.get("Job-Token") == self._record(job_id).job.token

    def verify_runner(self) -> None:
        """POST runners/verify: is the token one of a runner? As a form, or as JSON."""
        self.answer(*((200, {"id": 1}) if self._runner_token() in self.server.coordinator.runner_tokens else (403, {})))

    def delete_runner(self) -> None:
        """DELETE runners: no token is the runner's any more."""
        known = self._runner_token() in self.server.coordinator.runner_tokens
        self.server.coordinator.runner_tokens.discard(self._runner_token())
        self.answer(204 if known else 403)

    def _runner_token(self) -> str:
        if self.headers.get("Content-Type", "").startswith("application/json"):
            return str(json.loads(self.body)["token"])
        return dict(parse_qsl(self.body.decode()))["token"]

    def request_job(self) -> None:
        """POST jobs/request."""
        record = self.server.coordinator.next_job(json.loads(self.body)["token"], self._connected)
        if record:
            record.picked.set()
        self.answer(201 if record else 204, record.response if record else None)

    def update_job(self, job_id: str) -> None:
        """PUT jobs/:id: the job's state."""
        record, update = self._record(job_id), json.loads(self.body)
        if update["state"] in ("success", "failed"):
            record.finish(update["state"], update.get("failure_reason"), update.get("exit_code"))
        self.answer(200, {}, {"Job-Status": record.status, "X-GitLab-Trace-Update-Interval": "1"})

    def append_trace(self, job_id: str) -> None:
        """PATCH jobs/:id/trace: a piece of the log, which must begin where the last one ended."""
        record = self._record(job_id)
        start = int(self.headers["Content-Range"].split("-")[0])
        if start != len(record.raw_trace):
            self.answer(416, None, {"Range": f"0-{len(record.raw_trace)}"})
            return
        record.raw_trace += self.body
        self.answer(202, None, {"Job-Status": record.status, "X-GitLab-Trace-Update-Interval": "1"})

    def take_artifact(self, job_id: str) -> None:
        """POST jobs/:id/artifacts: one file in a multipart form."""
        if not self._authorized(job_id):
            self.answer(403)
            return
        boundary = b"--" + self.headers["Content-Type"].split("boundary=")[1].strip('"').encode()
        head, _, content = self.body.split(boundary)[1].partition(b"\r\n\r\n")
        found = re.search(rb'filename="?([^"\r\n]*)', head)
        name = found.group(1).decode() if found else ""
        self._record(job_id).uploads.append(Upload(self.query, name, content.removesuffix(b"\r\n")))
        self.answer(201, {})

    def give_artifact(self, job_id: str) -> None:
        """GET jobs/:id/artifacts: the archive."""
        archives = [u.content for u in self._record(job_id).uploads if u.query["artifact_type"] == "archive"]
        if not self._authorized(job_id):
            self.answer(403)
        elif archives:
            self.answer(200, archives[-1])
        else:
            self.answer(404)

    def serve_repository(self, path: str) -> None:
        """Git over HTTP, for whoever has the token of some job."""
        tokens = {record.job.token for record in self.server.coordinator.records.values()}
        answered = git_http_backend(
            self.server.coordinator.repositories, path, self.command, self.path, self.headers, self.body, tokens
        )
        self.send_response(answered.status)
        for name, value in answered.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answered.body)))
        self.end_headers()
        self.wfile.write(answered.body)

    def object_store(self, path: str) -> None:
        """PUT and GET by path, as presigned URLs of an object store do."""
        objects = self.server.coordinator.objects
        if self.command == "PUT":
            objects[path] = self.body
            self.answer(200, b"", {"ETag": '"0"'})
        elif path in objects:
            self.answer(200, objects[path], {"ETag": '"0"'})
        else:
            self.answer(404)

    def registry_root(self) -> None:
        """GET /v2/: yes, this is a registry."""
        self.answer(200, {})

    def no_manifest(self) -> None:
        """What a registry says to a name or tag that it does not have."""
        self.answer(404, {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]})


_ROUTES: list[tuple[str, str, Callable[..., None]]] = [
    ("POST", "/api/v4/runners/verify", _Handler.verify_runner),
    ("DELETE", "/api/v4/runners", _Handler.delete_runner),
    ("POST", "/api/v4/jobs/request", _Handler.request_job),
    ("PUT", r"/api/v4/jobs/(\d+)", _Handler.update_job),
    ("PATCH", r"/api/v4/jobs/(\d+)/trace", _Handler.append_trace),
    ("POST", r"/api/v4/jobs/(\d+)/artifacts", _Handler.take_artifact),
    ("GET", r"/api/v4/jobs/(\d+)/artifacts", _Handler.give_artifact),
    ("GET|PUT|HEAD", r"(/cache-bucket/.*)", _Handler.object_store),
    ("GET|HEAD", r"/v2/", _Handler.registry_root),
    ("GET|HEAD", r"/v2/.+", _Handler.no_manifest),
    ("GET|POST", r"(/[^.]+\.git/.*)", _Handler.serve_repository),
]
