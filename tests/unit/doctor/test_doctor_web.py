"""Requests, and why they got no answer; signed questions to an object store."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from executor.doctor import s3, web
from executor.doctor.scene import goes_without_proxy, option_words, proxies_in

if TYPE_CHECKING:
    from collections.abc import Iterator


class Handler(BaseHTTPRequestHandler):
    """Answers as the path says: /STATUS."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(int(self.path[1:]))
        self.send_header("Location", "https://elsewhere.test/")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@contextmanager
def server() -> Iterator[str]:
    """A web server; gives its address."""
    listening = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_address[1]}"
    listening.shutdown()
    listening.server_close()


@pytest.mark.parametrize("status", [200, 301, 308, 403, 404, 502])
def test_every_status_is_an_answer(status: int) -> None:
    with server() as address:
        answer = web.fetch(web.Request(url=f"{address}/{status}", method="POST", body=b"token=x"))

    assert (answer.status, answer.body) == (status, b"{}")
    assert "date" in answer.headers
    assert answer.headers["location"] == "https://elsewhere.test/"


def test_nothing_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    with pytest.raises(web.Unreachable) as trouble:
        web.fetch(web.Request(url=f"http://127.0.0.1:{port}/"))
    assert trouble.value.kind == "refused"
    assert not web.port_answers("127.0.0.1", port)


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(web.Unreachable) as trouble:
        web.fetch(web.Request(url=f"http://127.0.0.1:{silent.getsockname()[1]}/"))
    assert trouble.value.kind == "timeout"


def test_what_answers_is_no_web_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            connection, _ = listening.accept()
            connection.recv(100)
            connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
            connection.close()

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(web.Unreachable) as trouble:
            web.fetch(web.Request(url=f"http://127.0.0.1:{listening.getsockname()[1]}/"))
    assert "does not speak HTTP" in trouble.value.text


def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(web.Unreachable) as trouble:
        web.resolve("no-such-host.invalid")
    assert trouble.value.kind == "dns"
    assert web.resolve("127.0.0.1") == ["127.0.0.1"]


def test_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: threading.Event().wait(3) or [])

    with pytest.raises(web.Unreachable) as trouble:
        web.resolve("gitlab.virida.test", seconds=0.1)
    assert "gave no answer" in trouble.value.text


def test_a_name_server_that_is_silent() -> None:
    assert not web.name_server_answers("127.0.0.99", seconds=0.2)


@pytest.mark.parametrize(
    ("host", "exceptions", "without"),
    [
        ("gitlab.virida.test", "", False),
        ("gitlab.virida.test", "virida.test", True),
        ("gitlab.virida.test", ".virida.test,other", True),
        ("gitlab.virida.test", "*.virida.test", True),
        ("gitlab.virida.test", "tlab.virida.test", False),
        ("gitlab.virida.test", "*", True),
        ("10.0.0.7", "10.0.0.7:443", True),
        ("localhost", "", True),
    ],
)
def test_what_goes_without_a_proxy(host: str, exceptions: str, without: bool) -> None:
    assert goes_without_proxy(host, exceptions) is without


def test_proxies_in_either_case() -> None:
    environment = {"https_proxy": "http://a:1", "HTTP_PROXY": "http://b:2", "http_proxy": "http://c:3", "no_proxy": "x"}

    assert proxies_in(environment) == {"http": "http://b:2", "https": "http://a:1", "no": "x"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "--config", "/a.toml", "--runner", "one"], {"--config": "/a.toml", "--runner": "one"}),
        (["run", "--config=/a.toml"], {"--config": "/a.toml"}),
        (["run", "--config"], {"--config": ""}),
        ("run", {}),
        (None, {}),
    ],
)
def test_options_in_the_arguments_of_a_hook(arguments: Any, expected: dict[str, str]) -> None:
    assert option_words(arguments) == expected


def test_a_question_to_an_object_store_is_signed() -> None:
    """The signature is the one that botocore gives."""
    bucket = {
        "serveraddress": "cellar.virida.test",
        "bucketname": "ci",
        "accesskey": "ACCESS",
        "secretkey": "SECRET",
        "bucketlocation": "eu-west-3",
    }

    asked = s3.question(bucket, 1795580000)

    assert asked.url == "https://cellar.virida.test/ci/virida-executor-doctor"
    assert asked.headers["x-amz-date"] == "20261125T041320Z"
    assert asked.headers["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=ACCESS/20261125/eu-west-3/s3/aws4_request, "
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
        "Signature=f43ce41898389fe427e5668e214bdf85083e8d56e65c532b2c4c7c61abe33926"
    )
    assert "SECRET" not in repr(asked)


def test_keys_of_the_host_need_no_signature() -> None:
    asked = s3.question({"bucketname": "ci", "insecure": True}, 0)

    assert asked.url == "http://s3.amazonaws.com/ci/virida-executor-doctor"
    assert asked.headers == {}
