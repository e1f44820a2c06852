"""Names of services on Docker's own networks, which know none: lines in the hosts files of the job's containers.

Services come first there, for their addresses must be known. Whoever joins another container's network shares its file.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from executor.plan.network import CONTAINER_MODE, HOST_MODE, NAMELESS_NETWORKS

if TYPE_CHECKING:
    from executor.plan.model import ContainerPlan, Plan
    from executor.sandbox.services import Waiting

# Where services listen that have the host's network.
LOOPBACK = "127.0.0.1"


def needs_hosts_files(plan: Plan) -> bool:
    """Whether the job's services have names only if somebody writes them down."""
    return bool(plan.services) and plan.helper.network_mode in (*NAMELESS_NETWORKS, HOST_MODE)


def with_hosts(plan: Plan, services: list[Waiting]) -> Plan:
    """The plan with the names of `services` for the helper and the build container. All of them have addresses."""
    lines = [f"{alias}:{one.address}" for one in services if one.address for alias in one.service.aliases]
    return replace(plan, helper=_with_lines(plan.helper, lines), build=_with_lines(plan.build, lines))


def _with_lines(container: ContainerPlan, lines: list[str]) -> ContainerPlan:
    if container.network_mode.startswith(CONTAINER_MODE):
        return container
    hosts = [*container.host_config.get("ExtraHosts", []), *lines]
    return replace(container, host_config={**container.host_config, "ExtraHosts": hosts})
