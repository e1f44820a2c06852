"""Whether the jobs that may run at a time fit on the machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from executor.doctor.checks.host import meminfo
from executor.doctor.checks.words import size
from executor.doctor.model import Skip, Verdict, check, error, passed, warning

if TYPE_CHECKING:
    from executor.doctor.scene import Scene

GIB = 1024**3
BUSY_LOAD = 8


@check("host.capacity.memory", "The jobs that may run at a time fit into this host's memory")
def capacity_memory(scene: Scene) -> Verdict:
    """`concurrent` times `memory`."""
    from executor.settings.units import parse_bytes

    limit = scene.settings.docker.memory
    total = meminfo(scene).get("MemTotal", 0)
    if not limit or not total:
        raise Skip("no memory limit is set" if total else "/proc/meminfo does not tell")
    wanted = scene.concurrent * parse_bytes(limit)
    if wanted <= total:
        return passed(f"{scene.concurrent} x {limit}")
    fitting = total // parse_bytes(limit)
    return warning(
        f"{scene.concurrent} jobs at a time with {limit} each may take {size(wanted)}; this host has {size(total)}.",
        expected="`concurrent` times `memory` within the host's memory",
        why="When jobs use what they may, the kernel kills processes of jobs that did nothing wrong.",
        fix=f"editor {scene.config}   # concurrent = {max(1, fitting)}"
        if fitting
        else f'editor {scene.config}   # memory = "{total // GIB or 1}g"',
    )


@check("host.capacity.cpus", "This host has the CPUs that jobs are promised")
def capacity_cpus(scene: Scene) -> Verdict:
    """The Engine refuses containers with more CPUs than there are."""
    from executor.settings.units import parse_cpus

    have = scene.world.cpus()
    docker = scene.settings.docker
    for key, cpus in (("cpus", docker.cpus), ("service_cpus", docker.service_cpus)):
        if cpus and parse_cpus(cpus) > have * 10**9:
            return error(
                f'{key} = "{cpus}", and this host has {have}.',
                expected=f"{have} or less",
                why="The Engine refuses such a container: every job fails in prepare.",
                fix=f'editor {scene.config}   # {key} = "{have}"',
            )
    for key, numbers in (("cpuset_cpus", docker.cpuset_cpus), ("service_cpuset_cpus", docker.service_cpuset_cpus)):
        if any(int(number) >= have for number in re.findall(r"\d+", numbers)):
            return error(
                f'{key} = "{numbers}", and this host has CPUs 0 to {have - 1}.',
                expected=f"numbers up to {have - 1}",
                why="The Engine refuses such a container: every job fails in prepare.",
                fix=f'editor {scene.config}   # {key} = "0-{have - 1}"',
            )
    return passed(f"{have} CPUs")


@check("host.capacity.concurrent", "The jobs that may run at a time do not crowd out each other")
def capacity_concurrent(scene: Scene) -> Verdict:
    """Many more jobs than CPUs."""
    have = scene.world.cpus()
    if scene.concurrent <= BUSY_LOAD * have:
        return passed(f"{scene.concurrent} jobs at a time on {have} CPUs")
    return warning(
        f"concurrent allows {scene.concurrent} jobs at a time on {have} CPUs.",
        expected=f"{BUSY_LOAD * have} or less",
        why="Each job gets so little time that scripts and services run into their time-outs.",
        fix=f"editor {scene.config}   # concurrent = {2 * have}",
    )
