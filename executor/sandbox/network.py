"""The job's network, made while the runner comes round from `config` to `prepare`: 66 ms that nobody waits for."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from executor.engine.client import EngineError
from executor.errors import OperatorError
from executor.sandbox.background import in_background
from executor.sandbox.payload import network_body

if TYPE_CHECKING:
    from executor.engine.client import Engine
    from executor.errors import ExecutorError
    from executor.plan.model import NetworkPlan

LOCK = "network.lock"
MADE = "network.made"

# How Engines up to 27, and later ones, say that their address pools are used up.
NO_ADDRESSES = ("non-overlapping IPv4 address pool", "predefined address pools")


def make_early(engine: Engine, network: NetworkPlan, job_folder: str) -> None:
    """Begin to make the network; `ensure` waits for it. Failures are left for `ensure` to meet again and tell."""
    lock = _lock(job_folder)
    in_background(lambda: _make(engine, network, job_folder))
    os.close(lock)


def ensure(engine: Engine, network: NetworkPlan, job_folder: str) -> None:
    """The network exists after this: the one that was begun early, or one made now."""
    os.close(_lock(job_folder))
    if not os.path.exists(f"{job_folder}/{MADE}"):
        _make(engine, network, job_folder)


def _make(engine: Engine, network: NetworkPlan, job_folder: str) -> None:
    try:
        engine.create_network(network_body(network)).value()
    except EngineError as error:
        # 409: the early attempt got as far as the Engine, but not to its marker.
        if error.status != 409:
            raise _explained(error) from None
    os.close(os.open(f"{job_folder}/{MADE}", os.O_WRONLY | os.O_CREAT, 0o600))


def _explained(error: EngineError) -> ExecutorError:
    if not any(sign in error.message for sign in NO_ADDRESSES):
        return error
    return OperatorError(
        f"NO NETWORK LEFT: Docker has no addresses for the job's network ({error.message}).",
        cause="Every job and every compose project takes one of about 30 address pools, and others may be left over.",
        fix="Run `executor gc` and `docker network prune` on the runner's host, or give Docker more and smaller pools: "
        "`default-address-pools` in /etc/docker/daemon.json.",
    )


def _lock(job_folder: str) -> int:
    """A descriptor that holds the lock until every copy of it, in any process, is closed."""
    descriptor = os.open(f"{job_folder}/{LOCK}", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor
