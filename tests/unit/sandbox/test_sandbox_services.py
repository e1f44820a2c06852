"""Whether services are ready, and what a job is told of those that are not."""

from __future__ import annotations

import itertools
import re
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from executor.engine.client import EngineError
from executor.plan.model import SERVICE, ContainerPlan, ImagePlan, ServicePlan
from executor.sandbox.images import LocalImage
from executor.sandbox.services import MOST_PORTS, Waiting, tcp_ports, wait_for_services
from tests.unit.sandbox.fakes import FakeEngine

if TYPE_CHECKING:
    from collections.abc import Iterator


def service(**changes: Any) -> ServicePlan:
    image = ImagePlan(name="redis:7", pull_policies=("never",))
    container = ContainerPlan(role=SERVICE, name="s", image=image, labels={})
    return ServicePlan(**{"container": container, "aliases": ("redis", "cache"), "wait_seconds": 5, **changes})


def exposing(*ports: str) -> LocalImage:
    return LocalImage(
        id="1", entrypoint=(), command=(), user="", exposed_ports=ports, environment=(), digest="", how=""
    )


@pytest.mark.parametrize(
    ("exposed", "ports"),
    [
        ((), ()),
        (("6379/tcp",), (6379,)),
        (("9000/tcp", "80/tcp", "443"), (80, 443, 9000)),
        (("53/udp", "53/tcp", "5000/sctp"), (53,)),
        (("x/tcp", "8000-8010/tcp"), ()),
        (tuple(f"{port}/tcp" for port in range(100, 200)), tuple(range(100, 100 + MOST_PORTS))),
    ],
)
def test_the_ports_that_count(exposed: tuple[str, ...], ports: tuple[int, ...]) -> None:
    assert tcp_ports(service(), exposing(*exposed)) == ports


def test_the_port_that_a_job_names_is_the_only_one() -> None:
    assert tcp_ports(service(wait_port=8080), exposing("80/tcp")) == (8080,)


def running(address: str = "127.0.0.1") -> dict[str, Any]:
    return {"State": {"Running": True}, "NetworkSettings": {"Networks": {"net": {"IPAddress": address}}}}


def ended() -> dict[str, Any]:
    return {"State": {"Running": False}, "NetworkSettings": {"Networks": {"net": {"IPAddress": ""}}}}


@pytest.fixture
def port() -> Iterator[int]:
    """A port that accepts connections."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def told(
    capsys: pytest.CaptureFixture[str],
    state: Any,
    ports: tuple[int, ...],
    output: Any = (),
    **changes: Any,
) -> str:
    engine = FakeEngine(containers={"c": state})
    engine.output = output
    wait_for_services(engine.as_engine(), [Waiting(service=service(**changes), container="c", ports=ports)])
    return re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out)


def test_ready(capsys: pytest.CaptureFixture[str], port: int) -> None:
    text = told(capsys, running(), (port,))

    assert re.fullmatch(rf"service redis:7 as redis, cache   ready in 0\.\d s \(port {port}\)\n", text)


def test_any_port_will_do(capsys: pytest.CaptureFixture[str], port: int, closed_port: int) -> None:
    assert f"(port {port})" in told(capsys, running(), (closed_port, port))


def test_a_service_that_needs_a_moment(capsys: pytest.CaptureFixture[str], closed_port: int) -> None:
    with socket.socket() as late:
        late.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        late.bind(("127.0.0.1", closed_port))
        threading.Timer(0.3, late.listen).start()

        assert re.search(r"ready in 0\.[3-9] s", told(capsys, running(), (closed_port,)))


def test_an_address_that_comes_later(capsys: pytest.CaptureFixture[str], port: int) -> None:
    addresses = itertools.chain([""] * 4, itertools.repeat("127.0.0.1"))

    assert "ready" in told(capsys, lambda: running(next(addresses)), (port,))


def test_a_service_that_ends(capsys: pytest.CaptureFixture[str], closed_port: int) -> None:
    output = [(1, b"starting\n"), (2, b"no config\xff\n")]

    assert told(capsys, ended(), (closed_port,), output) == (
        "WARNING: Service redis:7 (redis, cache) probably didn't start properly: it ended before it was ready.\n"
        "What redis:7 wrote:\nstarting\nno config�\n"
    )


def test_a_service_that_never_listens(capsys: pytest.CaptureFixture[str], closed_port: int) -> None:
    began = time.monotonic()
    text = told(capsys, running(), (closed_port,), [(1, b"still thinking")], wait_seconds=1)

    assert 1 <= time.monotonic() - began < 3
    assert "probably didn't start properly: no port answered within 1 s." in text
    assert "still thinking\n" in text


@pytest.mark.parametrize("state", [EngineError(404, "No such container"), EngineError(500, "broken")])
def test_a_service_that_is_gone_does_not_fail_the_job(
    capsys: pytest.CaptureFixture[str], closed_port: int, state: EngineError
) -> None:
    text = told(capsys, state, (closed_port,), EngineError(404, "No such container"))

    assert "it ended before it was ready" in text
    assert "wrote" not in text


def test_a_service_without_ports(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, running(), ())

    assert text == "service redis:7 as redis, cache   started; it exposes no port, so nothing tells when it is ready\n"


@pytest.mark.parametrize("seconds", [0, -1])
def test_no_check_is_wanted(capsys: pytest.CaptureFixture[str], closed_port: int, seconds: int) -> None:
    text = told(capsys, running(), (closed_port,), wait_seconds=seconds)

    assert text == "service redis:7 as redis, cache   started\n"


def test_services_are_waited_for_together(capsys: pytest.CaptureFixture[str], port: int, closed_port: int) -> None:
    """Two that never answer cost the time of one, and do not hold up the word of the one that does."""
    engine = FakeEngine(containers={"c": running()})
    waiting = [
        Waiting(service=service(wait_seconds=1), container="c", ports=ports)
        for ports in ((closed_port,), (port,), (closed_port,))
    ]
    began = time.monotonic()

    wait_for_services(engine.as_engine(), waiting)

    assert time.monotonic() - began < 1.9
    text = capsys.readouterr().out
    assert text.index("ready in 0.") < text.index("no port answered")
    assert text.count("no port answered") == 2


def test_a_long_log_is_cut(capsys: pytest.CaptureFixture[str], closed_port: int) -> None:
    text = told(capsys, ended(), (closed_port,), [(1, b"first" + b"x" * 100_000 + b"last")])

    assert "first" not in text
    assert text.endswith("last\n")
    assert len(text) < 70_000


def test_no_services() -> None:
    wait_for_services(FakeEngine().as_engine(), [])
