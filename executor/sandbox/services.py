"""Whether services answer: their exposed ports are tried until one accepts, as under the docker executor."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executor.engine.client import EngineError
from executor.plan.services import health_port
from executor.terminal import log, log_warning

if TYPE_CHECKING:
    from executor.engine.client import Engine
    from executor.plan.model import ServicePlan
    from executor.sandbox.images import LocalImage

MOST_PORTS = 20
LOG_BYTES = 65536
PAUSE_SECONDS = 0.05
DIAL_SECONDS = 1.0


@dataclass(kw_only=True)
class Waiting:
    """A service on its way to readiness. `address` is its IP, "" while the Engine has not told.

    One that is not `reachable` has no address that anybody outside its network could try.
    """

    service: ServicePlan
    container: str
    ports: tuple[int, ...]
    address: str = ""
    reachable: bool = True


def tcp_ports(service: ServicePlan, image: LocalImage) -> tuple[int, ...]:
    """The TCP ports whose opening says that the service is ready: the lowest of those exposed."""
    named = service.wait_port or _named_by_image(service, image)
    if named:
        return (named,)
    exposed = [port.split("/")[0] for port in image.exposed_ports if port.endswith("/tcp") or "/" not in port]
    return tuple(sorted(int(port) for port in exposed if port.isdigit()))[:MOST_PORTS]


def _named_by_image(service: ServicePlan, image: LocalImage) -> int | None:
    pairs = (entry.partition("=") for entry in image.environment)
    return health_port(service.container.image.name, {key: value for key, _, value in pairs}, log_warning)


def find_addresses(engine: Engine, waiting: list[Waiting]) -> None:
    """Ask for the addresses of services that have just been started."""
    for one in waiting:
        one.address = one.address or _address(engine, one.container)


def wait_for_services(engine: Engine, waiting: list[Waiting]) -> None:
    """Wait until each service accepts a connection, has ended, or had its time. None of it fails the job.

    Connections come from the host, which shares a bridge with the services.
    """
    began = time.monotonic()
    open_ones = list(waiting)
    for one in list(open_ones):
        if not one.ports or not one.reachable or one.service.wait_seconds <= 0:
            open_ones.remove(one)
            _tell_unchecked(one)
    while open_ones:
        for one in list(open_ones):
            seconds = time.monotonic() - began
            if outcome := _outcome(engine, one, seconds):
                open_ones.remove(one)
                outcome()
        time.sleep(PAUSE_SECONDS if open_ones else 0)


def _outcome(engine: Engine, one: Waiting, seconds: float) -> Any:
    """What to tell once the service's fate is known, None while it is not."""
    if port := _answering_port(engine, one):
        return lambda: _tell(one, f"ready in {seconds:.1f} s (port {port})")
    if not _runs(engine, one):
        return lambda: _tell_failure(engine, one, "it ended before it was ready")
    if seconds > one.service.wait_seconds:
        return lambda: _tell_failure(engine, one, f"no port answered within {one.service.wait_seconds} s")
    return None


def _answering_port(engine: Engine, one: Waiting) -> int | None:
    one.address = one.address or _address(engine, one.container)
    return next((port for port in one.ports if one.address and _accepts(one.address, port)), None)


def _accepts(address: str, port: int) -> bool:
    import socket

    try:
        socket.create_connection((address, port), timeout=DIAL_SECONDS).close()
    except OSError:
        return False
    return True


def _address(engine: Engine, container: str) -> str:
    try:
        networks = engine.inspect_container(container).value()["NetworkSettings"]["Networks"] or {}
    except EngineError:
        return ""
    return next((str(network["IPAddress"]) for network in networks.values() if network.get("IPAddress")), "")


def _runs(engine: Engine, one: Waiting) -> bool:
    try:
        return bool(engine.inspect_container(one.container).value()["State"]["Running"])
    except EngineError:
        return False


def _tell_unchecked(one: Waiting) -> None:
    if one.service.wait_seconds <= 0:
        _tell(one, "started")
    elif not one.reachable:
        _tell(one, "started; its network is closed to the runner, so nothing tells when it is ready")
    else:
        _tell(one, "started; it exposes no port, so nothing tells when it is ready")


def _tell(one: Waiting, fate: str) -> None:
    log(f"service {one.service.container.image.name} as {', '.join(one.service.aliases)}   {fate}")


def _tell_failure(engine: Engine, one: Waiting, why: str) -> None:
    """The warning, and the end of the service's own log: the job goes on."""
    name = one.service.container.image.name
    log_warning(f"Service {name} ({', '.join(one.service.aliases)}) probably didn't start properly: {why}.")
    try:
        text = b"".join(data for _, data in engine.logs(one.container, tail=200))[-LOG_BYTES:]
    except EngineError:
        return
    log(f"What {name} wrote:\n{text.decode(errors='replace').rstrip()}")
