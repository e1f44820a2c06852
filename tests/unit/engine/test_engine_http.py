"""HTTP as the Engine speaks it: whole answers, and answers that break off at any place."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from executor.engine import http
from executor.engine.client import Engine, EngineError
from executor.engine.http import Broken, send
from tests.unit.engine.fake_server import Halting, answer, chunked

if TYPE_CHECKING:
    from tests.unit.conftest import Serve

VALUE = {"Id": "abc", "Text": "ä" * 50}
BODY = json.dumps(VALUE).encode()
HALF_A_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nhalf"
HALF_A_CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nhalf"
HALF_A_STREAM = b"HTTP/1.1 200 OK\r\n\r\nhalf"


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        pytest.param(answer(200, VALUE), VALUE, id="content-length"),
        pytest.param(answer(201, []), [], id="empty list"),
        pytest.param(chunked(BODY), VALUE, id="one chunk"),
        pytest.param(chunked(*(BODY[i : i + 1] for i in range(len(BODY)))), VALUE, id="a byte a chunk"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", None, id="204"),
        pytest.param(b"HTTP/1.1 304 Not Modified\r\n\r\n", None, id="304"),
        pytest.param(answer(200), None, id="length 0"),
        pytest.param(chunked(), None, id="no chunks"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n" + BODY, VALUE, id="until the end of the connection"),
        pytest.param(b"HTTP/1.1 200\r\ncontent-LENGTH:2\r\n\r\n{}", {}, id="no reason, other spelling"),
    ],
)
def test_whole_answers(serve: Serve, reply: bytes, value: object) -> None:
    assert Engine(serve(reply).endpoint).ask("GET", "/x").value() == value


def test_the_request(serve: Serve) -> None:
    server = serve(answer(201, VALUE))

    Engine(server.endpoint).create_container("a name", {"Image": "ä"}, platform="linux/arm64")

    while not server.requests:
        time.sleep(0.01)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /containers/create?name=a%20name&platform=linux/arm64 HTTP/1.1"
    assert b"Host: docker" in head
    assert json.loads(body) == {"Image": "ä"}


@pytest.mark.parametrize("whole", [answer(200, VALUE), chunked(BODY[:9], BODY[9:])], ids=["length", "chunked"])
def test_an_answer_that_breaks_off_anywhere_is_never_taken_for_a_whole_one(serve: Serve, whole: bytes) -> None:
    # The last chunk says that the body is whole; the empty line after it says nothing more.
    ends = range(len(whole) - 2 if whole.endswith(b"0\r\n\r\n") else len(whole))
    engine = Engine(serve(*(whole[:end] for end in ends)).endpoint)

    for _ in ends:
        with pytest.raises(Broken, match="stopped answering") as caught:
            engine.ask("GET", "/x").value()
        assert caught.value.blame == "system"
        assert "docker info" in caught.value.fix


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"220 mail.example ESMTP\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<ok>",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nxx\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nxxxxx\r\n0\r\n\r\n",
    ],
)
def test_what_is_not_http_or_not_json(serve: Serve, reply: bytes) -> None:
    with pytest.raises(Broken):
        Engine(serve(reply).endpoint).ask("GET", "/x").value()


def test_a_server_that_says_nothing_is_given_up(serve: Serve) -> None:
    began = time.monotonic()

    with pytest.raises(Broken, match="no answer in time"):
        Engine(serve(None).endpoint).ask("GET", "/x", seconds=0.1).value()

    assert time.monotonic() - began < 2


def test_an_engine_that_answers_no_ping_either_is_given_up_soon(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PATIENCE_SECONDS", 0.1)
    began = time.monotonic()
    with pytest.raises(Broken, match="no answer in time"):
        Engine(serve(None, None).endpoint).ask("GET", "/x").value()
    assert time.monotonic() - began < 5


def test_an_engine_that_answers_pings_gets_its_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PATIENCE_SECONDS", 0.1)
    server = serve(None, *[answer(200)] * 100)
    with pytest.raises(Broken, match="no answer in time"):
        Engine(server.endpoint).ask("GET", "/x", seconds=1).value()
    pings = [request for request in server.requests if request.startswith(b"GET /_ping ")]
    assert len(pings) >= 3


def test_a_server_that_stops_in_the_middle_is_given_up(serve: Serve) -> None:
    server = serve(Halting(HALF_A_BODY))

    with pytest.raises(Broken, match="no answer in time"):
        send(server.endpoint, "GET", "/x", seconds=0.1).reply().body()


@pytest.mark.parametrize(
    "begun",
    [b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-", HALF_A_BODY, HALF_A_CHUNK, HALF_A_STREAM],
    ids=["status", "headers", "length", "chunk", "stream"],
)
def test_an_engine_that_falls_silent_in_an_answer_and_answers_no_ping_is_given_up_soon(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(http, "PATIENCE_SECONDS", 0.1)
    server = serve(Halting(begun), None)
    began = time.monotonic()

    with pytest.raises(Broken, match="no answer in time"):
        list(send(server.endpoint, "GET", "/x", seconds=None).reply().chunks())

    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("begun", "rest"),
    [
        (b"HTTP/1.1 2", b"00 OK\r\n\r\nhalf and half"),
        (HALF_A_BODY, b" and half"),
        (HALF_A_CHUNK, b" and half\r\n0\r\n\r\n"),
        (HALF_A_STREAM, b" and half"),
    ],
    ids=["status", "length", "chunk", "stream"],
)
def test_an_answer_may_pause_for_as_long_as_pings_are_answered(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, begun: bytes, rest: bytes
) -> None:
    monkeypatch.setattr(http, "PATIENCE_SECONDS", 0.1)
    server = serve(Halting(begun, rest, seconds=1), *[answer(200)] * 100)

    body = b"".join(send(server.endpoint, "GET", "/x", seconds=None).reply().chunks())

    assert body == b"half and half"
    assert len([request for request in server.requests if request.startswith(b"GET /_ping ")]) >= 3


def test_a_silent_pull_is_waited_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound on an answer's silence is none on a pull's: a large layer is unpacked without a word."""
    monkeypatch.setattr(http, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(http.send, "__defaults__", (None, None, 0.2))
    whole = chunked(b'{"status":"a"}\n', b'{"status":"b"}\n')
    at = whole.index(b'{"status":"b"}')
    server = serve(Halting(whole[:at], whole[at:], seconds=1), *[answer(200)] * 100)

    pulled = Engine(server.endpoint).pull_image("debian", tag="12", platform="", credentials="")

    assert [progress["status"] for progress in pulled] == ["a", "b"]


def test_calls_overlap(serve: Serve) -> None:
    """All are asked before the first answer is taken, and answers may be taken in any order."""
    engine = Engine(serve(*(answer(200, number) for number in range(5))).endpoint)

    pending = [engine.ask("GET", f"/{number}") for number in range(5)]

    assert [answer.value() for answer in reversed(pending)] == [4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        pytest.param(answer(404, {"message": "No such image: x"}), "No such image: x", id="message"),
        pytest.param(answer(500, {"error": 1}), '{"error": 1}', id="other JSON"),
        pytest.param(answer(500, ["a"]), '["a"]', id="a list"),
        pytest.param(b"HTTP/1.1 502 Bad\r\n\r\nplain words \n", "plain words", id="text"),
        pytest.param(b"HTTP/1.1 500 Bad\r\n\r\n\xff\xfe", "��", id="bytes"),
        pytest.param(answer(500), "no reason given", id="nothing"),
    ],
)
def test_a_refusal_gives_the_engines_own_words(serve: Serve, reply: bytes, message: str) -> None:
    with pytest.raises(EngineError) as caught:
        Engine(serve(reply).endpoint).ask("GET", "/x").value()

    assert caught.value.status == int(reply[9:12])
    assert caught.value.message == message
    assert caught.value.what == f"The Docker Engine said: {message}"
    assert caught.value.blame == "system"


def test_a_refusal_may_be_passed_over(serve: Serve) -> None:
    Engine(serve(answer(404, {"message": "gone"})).endpoint).remove_container("x").settle()


def test_lines_of_a_stream_come_whole_whatever_the_chunks(serve: Serve) -> None:
    text = b'{"status":"a"}\r\n{"status":"b"}\n\n{"status":"c"}'
    replies = [chunked(text[:cut], text[cut:]) for cut in range(1, len(text))]
    engine = Engine(serve(*replies).endpoint)

    for _ in replies:
        pulled = engine.pull_image("debian", tag="12", platform="", credentials="")
        assert [progress["status"] for progress in pulled] == ["a", "b", "c"]


def test_a_pull_sends_its_credentials_in_the_header_only(serve: Serve) -> None:
    server = serve(chunked(b'{"status":"ok"}\n'))

    list(Engine(server.endpoint).pull_image("reg.example/a b", tag="1", platform="linux/arm64", credentials="c2VjcmV0"))

    first, _, rest = server.requests[0].partition(b"\r\n")
    assert first == b"POST /images/create?fromImage=reg.example/a%20b&tag=1&platform=linux/arm64 HTTP/1.1"
    assert b"X-Registry-Auth: c2VjcmV0" in rest


def test_a_pull_that_is_refused_at_once(serve: Serve) -> None:
    engine = Engine(serve(answer(404, {"message": "pull access denied"})).endpoint)

    with pytest.raises(EngineError, match="pull access denied"):
        list(engine.pull_image("x", tag="1", platform="", credentials=""))
