"""The Engine that a job's state names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executor.engine.client import Engine
from executor.engine.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping


def engine_facts(endpoint: Endpoint) -> dict[str, Any]:
    """What the state keeps of an endpoint."""
    return {"host": endpoint.host, "certificates": endpoint.certificates, "verify": endpoint.verify}


def engine_of(facts: Mapping[str, Any]) -> Engine:
    """The Engine that made the job's containers."""
    return Engine(Endpoint(**facts["engine"]))
