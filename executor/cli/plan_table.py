"""A plan for a person's eyes: at most 100 columns, no box drawing, nothing secret."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rich.console import Console
    from rich.table import Table

    from executor.plan.model import ContainerPlan, ImagePlan, Mount, Plan, ServicePlan

WIDTH = 100
SIZES = frozenset({"Memory", "MemorySwap", "MemoryReservation", "ShmSize"})
NANOS = 10**9
LOGS = "LogConfig"
STEP = 1024
NO_CACHES = "none"
CACHE_MODES = {
    "mount": "as layers, mounted below the job's files",
    "copy": "as layers, copied into the job's folder",
    "archive": "in the runner's own archives",
}


def print_plan(plan: Plan, title: str, console: Console) -> None:
    """Everything that the plan would create, section by section."""
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    console.print(title, style="bold")
    if plan.rule:
        console.print(f"policy {plan.rule} of executor.toml holds for it", markup=False)
    for heading, table in _sections(plan):
        console.print()
        console.print(heading, style="bold")
        console.print(table)
    for warning in plan.warnings:
        console.print()
        console.print(f"warning: {warning}", style="yellow", markup=False)


def _sections(plan: Plan) -> Iterator[tuple[str, Table]]:
    yield "Images", _images(plan)
    yield "Containers", _containers(plan)
    yield "Mounts", _mounts(plan)
    if plan.caches.mode != NO_CACHES:
        yield "Caches", _caches(plan)
    yield "Network", _network(plan)
    if plan.handover or plan.attempts > 1:
        yield "Stages", _stages(plan)
    yield "Labels on all containers", _labels(plan)


def _table(*headings: str) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=any(headings), header_style="dim")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _add(table: Table, *cells: str) -> None:
    """A row of plain text: nothing that a job wrote is markup or moves the cursor."""
    from rich.text import Text

    table.add_row(*(Text("".join(c if c.isprintable() else "?" for c in cell)) for cell in cells))


def _roles(plan: Plan) -> list[tuple[str, ContainerPlan]]:
    services = ((f"service {service.aliases[0]}", service.container) for service in plan.services)
    return [("helper", plan.helper), ("build", plan.build), *services]


def _images(plan: Plan) -> Table:
    table = _table("For", "Image", "Pull policy", "Platform")
    for role, container in _roles(plan):
        image: ImagePlan | None = container.image
        while image:
            _add(table, role, image.name, ", ".join(image.pull_policies), image.platform)
            role, image = "  or else", image.alternative
    return table


def _containers(plan: Plan) -> Table:
    table = _table("", "", "")
    ready = {service.container.name: _readiness(service) for service in plan.services}
    for role, container in _roles(plan):
        facts = [*_facts(container), *([("ready", ready[container.name])] if container.name in ready else [])]
        for number, (key, value) in enumerate(facts):
            _add(table, role if number == 0 else "", key, value)
    return table


def _facts(container: ContainerPlan) -> Iterator[tuple[str, str]]:
    yield "name", container.name
    yield "user", container.user or "of the image"
    yield "entrypoint", _command(container.entrypoint)
    if container.command is not None:
        yield "command", _command(container.command)
    yield "limits", _limits(container.host_config)
    if container.seccomp_profile:
        yield "seccomp", container.seccomp_profile
    if container.environment:
        yield "variables", ", ".join(entry.partition("=")[0] for entry in container.environment)


def _command(words: tuple[str, ...] | None) -> str:
    if words is None:
        return "of the image"
    return json.dumps(words, ensure_ascii=False) if words else "none"


def _limits(host_config: dict[str, Any]) -> str:
    limits = [_limit(key, value) for key, value in host_config.items() if key != LOGS]
    return ", ".join(limits) or "none"


def _limit(key: str, value: Any) -> str:
    if key == "NanoCpus":
        return f"CPUs {value / NANOS:g}"
    if key in SIZES:
        return f"{key} {_size(value)}"
    return f"{key} {value if isinstance(value, str) else json.dumps(value)}"


def _size(number: int) -> str:
    size, units = float(number), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while size >= STEP and len(units) > 1:
        size /= STEP
        units.pop(0)
    return f"{size:g} {units[0]}" if size == int(size) else f"{size:.1f} {units[0]}"


def _readiness(service: ServicePlan) -> str:
    if service.wait_seconds <= 0:
        return "when started (no check)"
    port = f"port {service.wait_port}" if service.wait_port else "an exposed port"
    return f"when {port} answers, waited for {service.wait_seconds} s"


def _mounts(plan: Plan) -> Table:
    table = _table("At", "From", "Mode", "In")
    places: dict[tuple[str, str, str], list[str]] = {}
    for role, container in _roles(plan):
        for mount in container.mounts:
            places.setdefault((mount.target, _source(mount), mount.mode), []).append(role)
    for (target, source, mode), roles in sorted(places.items()):
        _add(table, target, source, mode, ", ".join(roles))
    return table


def _caches(plan: Plan) -> Table:
    table = _table("", "")
    _add(table, "kept", CACHE_MODES[plan.caches.mode])
    for name, value in (("why", plan.caches.why), ("in", plan.caches.store)):
        if value:
            _add(table, name, value)
    if plan.caches.bucket:
        _add(table, "shared", "through the bucket of [runners.cache.s3]")
    return table


def _source(mount: Mount) -> str:
    kind = "temporary volume " if mount.temporary else "volume "
    return f"{kind}{mount.source}" if mount.volume else mount.source


def _network(plan: Plan) -> Table:
    table = _table("", "", "")
    if plan.network:
        extras = [f"MTU {plan.network.mtu}"] * bool(plan.network.mtu) + ["IPv6"] * plan.network.enable_ipv6
        _add(table, "job", f"bridge {plan.network.name}", ", ".join(extras))
    for role, container in _roles(plan):
        _add(table, role, _place(plan, container), ", ".join(_short_names(plan, container)))
    return table


def _short_names(plan: Plan, container: ContainerPlan) -> list[str]:
    """The aliases, but for the containers' own names, which stand above."""
    return [alias for alias in container.network_aliases if alias not in (plan.helper.name, plan.build.name)]


def _place(plan: Plan, container: ContainerPlan) -> str:
    if container.network_mode == f"container:{plan.helper.name}":
        return "shares the helper's"
    return "the job's own" if plan.network else container.network_mode


def _stages(plan: Plan) -> Table:
    table = _table("", "")
    if plan.handover:
        _add(table, "owner", f"{plan.handover.project_dir} becomes that of who runs the scripts")
    if plan.attempts > 1:
        _add(table, "attempts", f"{plan.attempts}, where a container vanishes under a stage")
    return table


def _labels(plan: Plan) -> Table:
    table = _table("", "")
    first, *others = (container.labels for _, container in _roles(plan))
    for key, value in sorted(first.items()):
        if all(labels.get(key) == value for labels in others):
            _add(table, key, value)
    return table
