"""Names in paths, and the Engine's framing of output."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from executor.engine.client import Engine, EngineError, frames, quote
from tests.unit.engine.fake_server import answer, chunked

if TYPE_CHECKING:
    from tests.unit.conftest import Serve

HOSTILE = [
    "../../etc/passwd?x=1",
    "a b",
    "x HTTP/1.1\r\nX-Injected: yes\r\n\r\n",
    "a&platform=evil#fragment",
    "100%41",
    "ünïcödé🦊",
    'quote"\\back',
    "\0\x7f",
    "+plus+",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_quote_keeps_every_name_and_lets_nothing_out_of_its_place(name: str) -> None:
    quoted = quote(name)

    assert unquote(quoted) == name
    assert quoted.isascii()
    assert not set(quoted) & set(' \r\n?&#+"\\\0')


def test_quote_leaves_image_names_readable() -> None:
    name = "registry.example:5000/group/app_x-1:tag.2@sha256:00ff"
    assert quote(name) == name


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_in_the_first_line_of_the_request(serve: Serve, name: str) -> None:
    server = serve(answer(404, {"message": "no"}))

    with pytest.raises(EngineError):
        Engine(server.endpoint).inspect_image(name).value()

    lines = server.requests[0].split(b"\r\n")
    assert lines[0] == f"GET /images/{quote(name)}/json HTTP/1.1".encode()
    assert not any(line.startswith(b"X-Injected") for line in lines)


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


PIECES = [(1, b"out\n"), (2, b"err\n"), (1, b""), (1, bytes(range(256))), (2, b"x" * 70000)]
STREAM = b"".join(frame(*piece) for piece in PIECES)


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 64, 65536, len(STREAM)])
def test_frames_do_not_depend_on_how_the_bytes_arrive(size: int) -> None:
    assert list(frames(STREAM[at : at + size] for at in range(0, len(STREAM), size))) == PIECES


def test_frames_in_random_pieces() -> None:
    chance = random.Random(7)
    for _ in range(50):
        cuts = sorted({0, len(STREAM), *(chance.randrange(len(STREAM)) for _ in range(9))})
        pieces = [STREAM[start:end] for start, end in pairwise(cuts)]
        assert list(frames(pieces)) == PIECES


def test_half_a_frame_is_no_frame() -> None:
    assert list(frames([frame(1, b"whole"), frame(1, b"half")[:-1]])) == [(1, b"whole")]


def test_logs(serve: Serve) -> None:
    server = serve(chunked(STREAM[:20], STREAM[20:]))

    assert list(Engine(server.endpoint).logs("c", tail=5)) == PIECES
    assert server.requests[0].startswith(b"GET /containers/c/logs?stdout=1&stderr=1&tail=5 ")


@pytest.mark.parametrize(
    ("since", "query"),
    [
        ("", "timestamps=1 "),
        ("2026-01-02T03:04:05.000000789Z", "timestamps=1&since=1767323045.000000789 "),
        ("1970-01-01T00:00:00.500000000Z", "timestamps=1&since=0.500000000 "),
    ],
)
def test_logs_from_a_time_on(serve: Serve, since: str, query: str) -> None:
    server = serve(chunked(STREAM))

    assert list(Engine(server.endpoint).stamped_logs("c", since=since)) == [data for _, data in PIECES]
    assert query.encode() in server.requests[0]


def test_logs_of_a_container_that_is_gone(serve: Serve) -> None:
    with pytest.raises(EngineError, match="No such container"):
        list(Engine(serve(answer(404, {"message": "No such container: c"})).endpoint).logs("c"))


def test_labelled_asks_for_exactly_one_label(serve: Serve) -> None:
    server = serve(answer(200, []), answer(200, []))
    engine = Engine(server.endpoint)

    engine.labelled("containers", 'job="1"&x').value()
    engine.labelled("volumes", "job").value()

    lines = [unquote(request.split(b"\r\n")[0].decode()) for request in server.requests]
    assert lines == [
        'GET /containers/json?all=1&filters={"label": ["job=\\"1\\"&x"]} HTTP/1.1',
        'GET /volumes?filters={"label": ["job"]} HTTP/1.1',
    ]


def test_an_image_that_is_here_for_another_platform_is_taken(serve: Serve) -> None:
    refusal = answer(404, {"message": "image was found but does not match the specified platform: wanted linux/arm64"})
    server = serve(refusal, answer(201, {"Id": "abc"}))

    created = Engine(server.endpoint).create_container("name", {"Image": "x"}, platform="linux/arm64")

    assert created.value() == {"Id": "abc"}
    first, second = (request.partition(b" HTTP")[0] for request in server.requests)
    assert first == b"POST /containers/create?name=name&platform=linux/arm64"
    assert second == b"POST /containers/create?name=name"


def test_an_image_that_is_not_here_is_asked_for_once(serve: Serve) -> None:
    server = serve(answer(404, {"message": "No such image: x"}))
    with pytest.raises(EngineError, match="No such image"):
        Engine(server.endpoint).create_container("name", {"Image": "x"}, platform="linux/arm64").value()
    assert len(server.requests) == 1
