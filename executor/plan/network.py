"""The job's network, and how each container takes part in it.

The helper owns the network's namespace and the build container joins it, which starts three times faster than an
endpoint of its own, and makes `localhost` the same place for both. Who joins may say nothing of hosts or addresses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from executor.plan import naming
from executor.plan.model import ContainerPlan, NetworkPlan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.plan.request import Request

FLAG = "FF_NETWORK_PER_BUILD"
NAME_VARIABLE = "CI_BUILD_NETWORK_NAME"
BUILD_ALIAS = "build"
HOST_MODE = "host"
ALIEN_MODES = (HOST_MODE, "none")
CONTAINER_MODE = "container:"
# Docker's own networks, which know no names.
BRIDGE = "bridge"
NAMELESS_NETWORKS = (BRIDGE, "default")
# Runtimes whose containers can live in another's network namespace.
SHARING_RUNTIMES = ("", "runc", "crun", "nvidia")
OWNERS_KEYS = frozenset({"Dns", "DnsSearch", "ExtraHosts", "Links"})


@dataclass(frozen=True)
class Network:
    """The network to make (None where the operator named a mode), and what containers are told to use."""

    own: NetworkPlan | None
    mode: str

    @property
    def has_names(self) -> bool:
        """Whether containers find each other by alias."""
        return self.has_endpoints and self.mode not in NAMELESS_NETWORKS

    @property
    def has_endpoints(self) -> bool:
        """Whether containers have addresses of their own."""
        return self.mode not in ALIEN_MODES and not self.mode.startswith(CONTAINER_MODE)


def plan_network(request: Request) -> Network:
    """The job's own bridge network, unless the operator named a `network_mode`.

    Links lead to containers of Docker's own bridge, where the docker executor's jobs are by default.
    """
    docker = request.docker
    mode = docker.network_mode or (BRIDGE if docker.links and not request.feature(FLAG) else "")
    if mode:
        return Network(None, mode)
    name = naming.network_name(request)
    labels = naming.job_labels(request, "network", "network")
    own = NetworkPlan(name=name, labels=labels, enable_ipv6=docker.enable_ipv6, mtu=docker.network_mtu)
    return Network(own, name)


def network_variables(request: Request, network: Network) -> dict[str, str]:
    """What a script that starts containers of its own needs to join the job's network, where it asks for one."""
    return {NAME_VARIABLE: network.own.name} if network.own and request.feature(FLAG) else {}


def connect_job(
    request: Request, network: Network, helper: ContainerPlan, build: ContainerPlan
) -> tuple[ContainerPlan, ContainerPlan]:
    """The helper and the build container, with their place in the network."""
    hostname, mac = naming.hostname(request), request.docker.mac_address
    if not network.has_endpoints:
        return _guest(helper, network.mode, hostname), _guest(build, network.mode, hostname)
    owner = replace(helper, network_mode=network.mode, hostname=hostname, mac_address=mac)
    if request.docker.runtime in SHARING_RUNTIMES:
        aliases = (BUILD_ALIAS, helper.name, build.name)
        return _named(owner, network, aliases), _guest(build, f"{CONTAINER_MODE}{helper.name}", "")
    other = replace(build, network_mode=network.mode, hostname=hostname)
    return _named(owner, network, (helper.name,)), _named(other, network, (BUILD_ALIAS, build.name))


def connect_service(network: Network, service: ContainerPlan, aliases: tuple[str, ...]) -> ContainerPlan:
    """A service, answering to `aliases` where the network has names."""
    if not network.has_endpoints:
        return _guest(service, network.mode, "")
    return _named(replace(service, network_mode=network.mode), network, aliases)


def _named(container: ContainerPlan, network: Network, aliases: tuple[str, ...]) -> ContainerPlan:
    return replace(container, network_aliases=aliases) if network.has_names else container


def _guest(container: ContainerPlan, mode: str, hostname: str) -> ContainerPlan:
    """A container in a network namespace that it does not own: what the Engine refuses there is left out."""
    config = dict(container.host_config)
    refused = OWNERS_KEYS if mode.startswith(CONTAINER_MODE) else frozenset({"Links"})
    config = {key: value for key, value in config.items() if key not in refused}
    if mode != "none" and "Sysctls" in config:
        config["Sysctls"] = {key: value for key, value in config["Sysctls"].items() if not key.startswith("net.")}
    joined = "" if mode.startswith(CONTAINER_MODE) else hostname
    return replace(container, network_mode=mode, hostname=joined, host_config=config)
