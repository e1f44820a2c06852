"""Networks of jobs: addresses, the firewall, the way out."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from executor.doctor.model import Skip, Verdict, check, error, note, passed, warning
from executor.engine.client import EngineError, quote

if TYPE_CHECKING:
    from executor.doctor.scene import Scene

# What the Engine takes networks from where nobody says otherwise.
DEFAULT_POOLS = [
    *({"Base": f"172.{number}.0.0/16", "Size": 16} for number in range(17, 32)),
    {"Base": "192.168.0.0/16", "Size": 20},
]
FORWARD = "/proc/sys/net/ipv4/ip_forward"
ORDINARY_MTU = 1500
SMALL_MTU = 1300
REJECTIONS = tuple(f"-A FORWARD -j REJECT{more}" for more in ("", " --reject-with icmp-port-unreachable"))
OWN_MODES = ("", "bridge", "host", "none", "default")
DAEMON_FILE = "/etc/docker/daemon.json"
REWRITE = "systemctl restart docker   # writes Docker's firewall rules anew; ends running jobs"


@check("docker.network.forwarding", "The kernel passes packets between containers and the network")
def forwarding(scene: Scene) -> Verdict:
    """net.ipv4.ip_forward."""
    if not scene.endpoint.local:
        raise Skip("the Engine is on another host")
    if scene.world.read(FORWARD).strip() != "0":
        return passed()
    return error(
        "net.ipv4.ip_forward is 0.",
        expected="1",
        why="Containers reach nothing outside: git, registries and caches fail in every job.",
        fix=("sysctl -w net.ipv4.ip_forward=1", "echo net.ipv4.ip_forward=1 > /etc/sysctl.d/90-docker.conf"),
    )


@check("docker.network.firewall", "The firewall lets Docker's networks through")
def firewall(scene: Scene) -> Verdict:
    """A firewall that is loaded after Docker takes its rules away."""
    scene.answering_version()
    rules = scene.world.run_as_caller(("iptables", "-S"))
    nat = scene.world.run_as_caller(("iptables", "-t", "nat", "-S", "POSTROUTING"))
    if not scene.endpoint.local or rules.code != 0 or nat.code != 0:
        raise Skip("the rules cannot be read here (iptables, as root)")
    if (scene.info.get("FirewallBackend") or {}).get("Driver", "iptables") != "iptables":
        raise Skip("Docker writes its rules without iptables")
    problem = _firewall_problem(rules.output.splitlines(), nat.output)
    if not problem:
        return passed()
    return error(
        problem,
        expected="Docker's chains in `iptables -S FORWARD`, MASQUERADE in `iptables -t nat -S`",
        why="Containers reach nothing outside: git, registries and caches fail in every job.",
        fix=(
            "iptables -S FORWARD; iptables -S DOCKER-USER   # what drops them",
            REWRITE,
            "let your firewall start before Docker, and never flush its chains",
        ),
    )


def _firewall_problem(rules: list[str], nat: str) -> str:
    """What keeps packets of containers from passing, in words; "" for nothing that shows."""
    forward = [rule for rule in rules if rule.startswith("-A FORWARD ")]
    ours = [index for index, rule in enumerate(forward) if "-j DOCKER" in rule]
    before = forward[: ours[0]] if ours else forward
    if any(rule in before for rule in ("-A FORWARD -j DROP", *REJECTIONS)):
        return "A rule before Docker's drops all that containers send (`iptables -S FORWARD`)."
    of_user = next((rule for rule in rules if rule.startswith("-A DOCKER-USER ")), "")
    if of_user == "-A DOCKER-USER -j DROP" or of_user.startswith("-A DOCKER-USER -j REJECT"):
        return "The chain DOCKER-USER drops all that containers send."
    if not ours and "-P FORWARD DROP" in rules:
        return "The firewall drops what containers send (FORWARD DROP), and Docker's rules are gone."
    if not ours and "MASQUERADE" not in nat:
        return "Docker's rules are gone from the firewall: nothing translates the addresses of containers."
    return ""


@check("docker.network.addresses", "There are addresses left for the networks of jobs")
def addresses(scene: Scene) -> Verdict:
    """Every job has a network of its own."""
    if scene.settings.docker.network_mode:
        raise Skip("jobs share a network that is there")
    pools = scene.info.get("DefaultAddressPools") or DEFAULT_POOLS
    capacity = sum(_networks_in(pool) for pool in pools)
    used = sum(_from_pools(network, pools) for network in scene.ask_tables("/networks"))
    left = capacity - used
    if left >= min(scene.concurrent, capacity):
        return passed(f"{left} of {capacity} left")
    verdict = error if left <= 0 else warning
    return verdict(
        f"The Engine has addresses for {max(left, 0)} more networks of {capacity}; {used} are in use.",
        expected=f"one for each of {scene.concurrent} jobs at a time",
        why="`could not find an available, non-overlapping IPv4 address pool`: jobs fail in prepare.",
        fix=("executor gc   # networks of dead jobs", f"docker network ls; default-address-pools in {DAEMON_FILE}"),
    )


@check("docker.network.mode", "The network that jobs are to use is there")
def network_mode(scene: Scene) -> Verdict:
    """`network_mode` of config.toml."""
    name = scene.settings.docker.network_mode
    if name in OWN_MODES or name.startswith("container:"):
        return passed(name)
    try:
        scene.ask(f"/networks/{quote(name)}")
    except EngineError as failure:
        return error(
            f"network_mode names {name}: {failure.message}",
            expected="a network of the Engine",
            why="No container of a job can be started.",
            fix=f"docker network create {name}",
        )
    return passed(name)


@check("docker.network.mtu", "Packets of containers fit through this host's network")
def mtu(scene: Scene) -> Verdict:
    """In clouds and VPNs the network takes less than Docker's 1500 bytes."""
    device = _default_device(scene.world.read("/proc/net/route"))
    found = scene.world.read(f"/sys/class/net/{device}/mtu").strip() if device else ""
    if not found.isdigit() or not scene.endpoint.local:
        raise Skip("this host has no default route")
    inside = scene.settings.docker.network_mtu or _daemon_mtu(scene)
    if int(found) >= inside:
        return passed(f"{found} bytes at {device}")
    if int(found) >= SMALL_MTU and not scene.settings.docker.network_mtu:
        # Most networks tell senders in time; it is for who sees connections hang.
        return note(
            f"The network takes packets of {found} bytes ({device}), containers send {inside}.",
            why="Where connections of jobs hang once much is sent, this is why.",
            fix=f"editor {scene.config}   # network_mtu = {found} under [runners.docker]",
        )
    return warning(
        f"The network takes packets of {found} bytes ({device}), containers send {inside}.",
        expected=f"network_mtu = {found}",
        why="Connections hang once much is sent: clones, pulls and uploads stop half way.",
        fix=f"editor {scene.config}   # network_mtu = {found} under [runners.docker]",
    )


@check("docker.network.ipv6", "IPv6 is there where jobs are promised it")
def ipv6(scene: Scene) -> Verdict:
    """`enable_ipv6` of config.toml."""
    if not scene.settings.docker.enable_ipv6:
        raise Skip("enable_ipv6 is not set")
    if scene.world.read("/proc/sys/net/ipv6/conf/all/disable_ipv6").strip() == "0":
        return passed()
    return error(
        "enable_ipv6 is set, and IPv6 is off in this host's kernel.",
        expected="net.ipv6.conf.all.disable_ipv6 = 0",
        why="Networks of jobs cannot be made: every job fails in prepare.",
        fix=("sysctl -w net.ipv6.conf.all.disable_ipv6=0", f"or take enable_ipv6 out of {scene.config}"),
    )


@check("docker.network.dns", "Containers get name servers that they can reach")
def dns(scene: Scene) -> Verdict:
    """A name server at 127.0.0.x is the host's alone."""
    if own := list(scene.settings.docker.dns):
        return _own_servers(scene, own, f"dns in {scene.config}")
    if of_daemon := _daemon_settings(scene).get("dns"):
        return _own_servers(scene, list(map(str, of_daemon)), f"dns in {DAEMON_FILE}")
    servers = _servers(scene.world.read("/etc/resolv.conf"))
    resolved = _servers(scene.world.read("/run/systemd/resolve/resolv.conf"))
    loopback = servers and all(server.startswith(("127.", "::1")) for server in servers)
    if not loopback or (servers == ["127.0.0.53"] and resolved):
        return passed(", ".join(servers))
    return warning(
        f"The only name server of this host is {servers[0]}, which no container can reach.",
        expected="a name server with an address of the network",
        why="Docker gives containers 8.8.8.8 in its place: names of your own network are unknown to jobs.",
        fix=(
            f'set "dns": ["ADDRESS"] in {DAEMON_FILE}',
            f'or dns = ["ADDRESS"] under [runners.docker] in {scene.config}',
        ),
    )


def _own_servers(scene: Scene, servers: list[str], place: str) -> Verdict:
    if any(scene.world.name_server_answers(server) for server in servers[:2]):
        return passed(", ".join(servers))
    return error(
        f"{place} names {', '.join(servers)}, and no name server answers there.",
        expected="name servers that answer",
        why="Jobs find no name: they can neither clone nor fetch anything.",
        fix=f"correct {place}, or take it out",
    )


@check("docker.network.proxy", "The Engine pulls through the proxy that the service uses")
def proxy(scene: Scene) -> Verdict:
    """The Engine has proxies of its own."""
    from executor.doctor.scene import proxies_in

    wanted = proxies_in(scene.account.environment)
    if not wanted.get("https") and not wanted.get("http"):
        raise Skip("the service uses no proxy")
    if scene.info.get("HttpsProxy") or scene.info.get("HttpProxy"):
        return passed()
    return warning(
        "gitlab-runner uses a proxy (HTTPS_PROXY), the Docker Engine none.",
        expected="the proxy for the Engine as well",
        why="Images are pulled by the Engine: where there is no other way out, pulls fail.",
        fix=(
            "systemctl edit docker   # [Service] Environment=HTTPS_PROXY=... NO_PROXY=...",
            "systemctl restart docker   # ends running jobs",
        ),
    )


def _networks_in(pool: dict[str, Any]) -> int:
    base = ip_network(str(pool["Base"]), strict=False)
    return int(2 ** max(0, int(pool["Size"]) - base.prefixlen)) if base.version == 4 else 0


def _from_pools(network: dict[str, Any], pools: list[dict[str, Any]]) -> int:
    """How many of the pools' networks this one takes."""
    taken = 0
    ipam = network.get("IPAM")
    for config in (ipam.get("Config") if isinstance(ipam, dict) else None) or []:
        subnet = ip_network(config.get("Subnet") or "::/128", strict=False)
        taken += any(_overlaps(subnet, pool) for pool in pools)
    return taken


def _overlaps(subnet: Any, pool: dict[str, Any]) -> bool:
    base: Any = ip_network(str(pool["Base"]), strict=False)
    return bool(subnet.version == base.version and subnet.overlaps(base))


def _default_device(routes: str) -> str:
    rows = [line.split() for line in routes.splitlines()[1:]]
    return next((row[0] for row in rows if len(row) > 7 and row[1] == "00000000" and row[7] == "00000000"), "")


def _daemon_mtu(scene: Scene) -> int:
    """What networks of jobs get where nobody says otherwise."""
    options = (_daemon_settings(scene).get("default-network-opts") or {}).get("bridge") or {}
    value = str(options.get("com.docker.network.driver.mtu") or "")
    return int(value) if value.isdigit() else ORDINARY_MTU


def _daemon_settings(scene: Scene) -> dict[str, Any]:
    try:
        settings = json.loads(scene.world.read(DAEMON_FILE) or "{}")
    except ValueError:
        return {}
    return settings if isinstance(settings, dict) else {}


def _servers(text: str) -> list[str]:
    rows = [line.split() for line in text.splitlines()]
    return [row[1] for row in rows if len(row) > 1 and row[0] == "nameserver"]
