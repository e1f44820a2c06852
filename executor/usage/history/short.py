"""A job that has just ended in the values that past runs are known by, so that both are compared alike."""

from __future__ import annotations

from executor.usage.history.model import Run
from executor.usage.quantiles import cpu_p95, memory_p95

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from executor.usage.model import ContainerUse, Usage, Verdict

_OF_JOB = ("id", "project_id", "project", "name", "key", "ref", "sha", "on_default_branch", "runner")
_OF_USAGE = ("began", "seconds", "result", "exit_code", "failed_stage", "cache")
_OF_USE = (
    "cpu_seconds",
    "periods",
    "throttled_periods",
    "pressure_cpu_seconds",
    "wall_seconds",
    "memory_working_set_peak",
    "memory_anon_peak",
    "oom_kills",
)


def in_short(usage: Usage, verdicts: Sequence[Verdict] = ()) -> Run:
    """The run that `past_runs` will give of this job; its `number` is 0 until it is recorded."""
    build = next((container for container in usage.containers if container.role == "build"), None)
    kills = [one.whole.oom_kills for one in usage.containers if one is not build and one.whole.oom_kills is not None]
    return Run(
        number=0,
        **{name: getattr(usage.job, name) for name in _OF_JOB},
        **{name: getattr(usage, name) for name in _OF_USAGE},
        **(_of_build(build, usage) if build else {}),
        other_oom_kills=sum(kills) if kills else None,
        verdicts=tuple(verdict.code for verdict in verdicts),
    )


def _of_build(build: ContainerUse, usage: Usage) -> dict[str, Any]:
    return {
        **{name: getattr(build.whole, name) for name in _OF_USE},
        "cpu_limit": build.limits.cpus,
        "memory_limit": build.limits.memory,
        "cpu_p95": cpu_p95(usage.series, build.name),
        "memory_p95": memory_p95(usage.series, build.name),
    }
