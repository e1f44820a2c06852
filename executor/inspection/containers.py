"""The containers of jobs, and what they use at this moment."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from executor.engine.client import EngineError
from executor.errors import UsageError
from executor.plan.model import BUILD, HELPER, SERVICE
from executor.plan.naming import JOB_LABEL, ROLE_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.engine.client import Answer, Engine
    from executor.inspection.jobs import HostJob

# The CPU is used between two samples: long enough for a clock tick of the kernel to count, short enough to wait for.
SAMPLE_SECONDS = 0.3
ORDER = (BUILD, SERVICE, HELPER)
NANO = 10**9


@dataclass(frozen=True, kw_only=True)
class JobContainer:
    """A container of a job. `aliases` are a service's names; `cpus` (cores), `memory` and `memory_limit` (bytes) are
    None where the Engine does not tell, as for a container that does not run.
    """

    id: str
    name: str
    image: str
    role: str
    aliases: tuple[str, ...]
    running: bool
    cpus: float | None = None
    memory: int | None = None
    memory_limit: int | None = None

    @property
    def title(self) -> str:
        """What a person calls it: its role, or the service's shortest name."""
        return min(self.aliases, key=len) if self.aliases else self.role


def containers_of(engine: Engine, job: HostJob) -> list[JobContainer]:
    """The job's containers: build, services, helper."""
    found = engine.labelled("containers", f"{JOB_LABEL}={job.key}").value() or []
    containers = [_container(one, job) for one in found if one["Labels"].get(ROLE_LABEL) in ORDER]
    return sorted(containers, key=lambda one: (ORDER.index(one.role), one.name))


def choose(containers: list[JobContainer], *, service: str | None, helper: bool) -> JobContainer:
    """The one that a person means: a service by any of its names, the helper, else the build container."""
    role = HELPER if helper else SERVICE if service else BUILD
    of_role = [one for one in containers if one.role == role]
    found = [one for one in of_role if not service or service in (*one.aliases, one.name)]
    if not found:
        names = ", ".join(alias for one in of_role for alias in one.aliases) or "none"
        raise UsageError(
            f"the job has no service {service!r}." if service else f"the job has no {role} container.",
            cause=f"Its services: {names}." if service else "It is not made yet, or is removed.",
        )
    return found[0]


def measured(engine: Engine, containers: list[JobContainer]) -> list[JobContainer]:
    """The same with what each uses now. Takes SAMPLE_SECONDS, however many they are."""
    running = [one for one in containers if one.running]
    first = _samples(engine, running)
    time.sleep(SAMPLE_SECONDS if running else 0)
    second = _samples(engine, running)
    return [_measured(one, first.get(one.id, {}), second.get(one.id, {})) for one in containers]


def _container(found: Mapping[str, Any], job: HostJob) -> JobContainer:
    name = str(found["Names"][0]).lstrip("/")
    return JobContainer(
        id=str(found["Id"]),
        name=name,
        image=str(found["Image"]),
        role=str(found["Labels"][ROLE_LABEL]),
        aliases=tuple(job.facts.get("services", {}).get(name, ())),
        running=found["State"] == "running",
    )


def _samples(engine: Engine, containers: list[JobContainer]) -> dict[str, dict[str, Any]]:
    """One sample of each, asked at once; a container that has just gone has none."""
    asked = [(one.id, engine.usage(one.id), time.monotonic()) for one in containers]
    return {container: sample for container, answer, at in asked if (sample := _sample(answer, at))}


def _sample(answer: Answer, at: float) -> dict[str, Any]:
    try:
        return dict(answer.value()) | {"at": at}
    except EngineError:
        return {}


def _measured(container: JobContainer, first: Mapping[str, Any], second: Mapping[str, Any]) -> JobContainer:
    if not first or not second:
        return container
    used = (_cpu_nanos(second) - _cpu_nanos(first)) / NANO
    memory = second.get("memory_stats") or {}
    return replace(
        container,
        cpus=max(0.0, used / (second["at"] - first["at"])),
        memory=_memory(memory),
        memory_limit=memory.get("limit"),
    )


def _cpu_nanos(sample: Mapping[str, Any]) -> int:
    return int((sample.get("cpu_stats") or {}).get("cpu_usage", {}).get("total_usage", 0))


def _memory(memory: Mapping[str, Any]) -> int | None:
    """As `docker stats` counts: without file pages that can be dropped at once (named differently in cgroup v1, v2)."""
    if "usage" not in memory:
        return None
    stats = memory.get("stats") or {}
    return max(0, int(memory["usage"]) - int(stats.get("total_inactive_file", stats.get("inactive_file", 0))))
