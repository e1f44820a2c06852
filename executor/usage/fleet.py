"""The jobs of a host together: which limits to change, and what that would save."""

from __future__ import annotations

from dataclasses import dataclass

from executor.usage.comparison import LOWER, MEMORY
from executor.usage.rightsizing import suggestions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from executor.usage.comparison import Suggestion
    from executor.usage.history.model import Run
    from executor.usage.rightsizing import Bounds

HOUR = 3600.0
GIB = 1024.0**3


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What an hour of a core and of a GiB of memory costs the operator; 0 is unknown."""

    cpu_hour: float = 0.0
    memory_gib_hour: float = 0.0
    currency: str = ""

    @property
    def known(self) -> bool:
        """Whether anything has a price."""
        return bool(self.cpu_hour or self.memory_gib_hour)


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What some runs took: hours of jobs and of cores, GiB hours of memory.

    Reserved is limit by time, of the runs that have a limit; used is the peak by time, of the same runs. `savable` is
    what would no longer be reserved under the limits suggested.
    """

    jobs: int = 0
    hours: float = 0.0
    cpu_hours: float = 0.0
    cpu_reserved: float = 0.0
    cpu_savable: float = 0.0
    memory_reserved: float = 0.0
    memory_used: float = 0.0
    memory_savable: float = 0.0

    def cost(self, prices: Prices) -> float:
        """What was reserved, at the operator's prices; of jobs without a CPU limit what they used."""
        return (self.cpu_reserved or self.cpu_hours) * prices.cpu_hour + self.memory_reserved * prices.memory_gib_hour

    def savable(self, prices: Prices) -> float:
        """How much less it would be."""
        return self.cpu_savable * prices.cpu_hour + self.memory_savable * prices.memory_gib_hour


@dataclass(frozen=True, kw_only=True)
class JobAdvice:
    """One job of a project, over all its runs: `newest` is the last of them."""

    newest: Run
    totals: Totals
    suggestions: tuple[Suggestion, ...]


def advise(runs: Iterable[Run], bounds: Bounds | None = None) -> list[JobAdvice]:
    """One entry a job, the one with the most to save first. `runs` are newest first."""
    by_job: dict[tuple[int, str, str], list[Run]] = {}
    for run in runs:
        by_job.setdefault((run.project_id, run.project, run.key), []).append(run)
    advice = [_advice(its_runs, bounds) for its_runs in by_job.values()]
    return sorted(advice, key=lambda one: (-one.totals.memory_savable, -one.totals.cpu_hours))


def total(parts: Iterable[Totals]) -> Totals:
    """All of them together."""
    ones = list(parts)
    return Totals(**{name: sum(getattr(one, name) for one in ones) for name in Totals.__dataclass_fields__})


def _advice(runs: Sequence[Run], bounds: Bounds | None) -> JobAdvice:
    wanted = suggestions(runs, bounds)
    return JobAdvice(newest=runs[0], totals=total(_totals(run, wanted) for run in runs), suggestions=wanted)


def _totals(run: Run, wanted: Sequence[Suggestion]) -> Totals:
    hours = run.seconds / HOUR
    lower = {one.resource: one.value for one in wanted if one.direction == LOWER}
    memory = (run.memory_limit or 0) / GIB
    cpus = run.cpu_limit or 0.0
    return Totals(
        jobs=1,
        hours=hours,
        cpu_hours=(run.cpu_seconds or 0.0) / HOUR,
        cpu_reserved=cpus * hours,
        cpu_savable=max(0.0, cpus - lower.get("cpu", cpus)) * hours,
        memory_reserved=memory * hours,
        memory_used=(run.memory_working_set_peak or 0) / GIB * hours if memory else 0.0,
        memory_savable=max(0.0, memory - lower.get(MEMORY, memory * GIB) / GIB) * hours,
    )
