"""Limits that suit a job, from its last runs; and what the host's jobs would save together.

Memory is what the job's processes held: page cache fills whatever limit there is, so a limit that follows it would
only grow. A limit is raised for a kill or for coming close to it, and lowered only where ten runs all had twice of
what they need.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from executor.usage.comparison import CPU, KEEP, LOWER, MEMORY, RAISE, Suggestion
from executor.usage.quantiles import SHARE, quantile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.usage.history.model import Run

NEWEST = 20
LAST = 5
ENOUGH_TO_LOWER = 10
HALF = 0.5
MARGIN = 1.2
AFTER_KILL = 1.5
NEAR = 0.9
MEMORY_STEP = 128 * 1024**2
LEAST_MEMORY = 256 * 1024**2
CPU_STEP = 0.5
THROTTLED = 0.25
WAITED = 0.1
MOST_OF_LAST = 0.5


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The most that the operator lets a job have: bytes and cores; None is no bound."""

    memory: int | None = None
    cpus: float | None = None


def suggestions(runs: Sequence[Run], bounds: Bounds | None = None) -> tuple[Suggestion, ...]:
    """The limits that the newest of `runs` (newest first, of one job) speak for, where anything was measured."""
    bounds = bounds or Bounds()
    found = [suggest_memory(runs, bounds.memory), suggest_cpus(runs, bounds.cpus)]
    return tuple(one for one in found if one)


def suggest_memory(runs: Sequence[Run], most: int | None = None) -> Suggestion | None:
    """Bytes for the build container, in steps of 128 MiB; None where no run says how much it needs."""
    newest = runs[:NEWEST]
    known = [run for run in newest if (run.good or run.oom_kills) and _held(run) is not None]
    if not known:
        return None
    value = _memory_for(known)
    limit = runs[0].memory_limit
    reason = _memory_reason(newest, known, value)
    bounded = min(value, most) if most else value
    direction = {"oom": RAISE, "near-limit": RAISE, "unused": LOWER}.get(reason, KEEP)
    if direction == RAISE and (limit is None or bounded <= limit):
        direction, reason = KEEP, "at-bound" if most and bounded == most else ""
    return Suggestion(
        resource=MEMORY,
        value=bounded,
        direction=direction,
        runs=len(known),
        largest=max(_held(run) or 0 for run in known),
        limit=limit,
        reason=reason,
    )


def suggest_cpus(runs: Sequence[Run], most: float | None = None) -> Suggestion | None:
    """Cores for the build container, in halves; None where no run says how many it used."""
    known = [run for run in runs[:NEWEST] if run.good and run.cpu_p95 is not None]
    if not known:
        return None
    used = [run.cpu_p95 or 0.0 for run in known]
    limit = runs[0].cpu_limit
    value = max(CPU_STEP, _up(quantile(used, SHARE), CPU_STEP))
    direction, reason = KEEP, ""
    if limit and _throttled(known):
        value, direction, reason = _up(limit * AFTER_KILL, CPU_STEP), RAISE, "throttled"
    elif limit and value < limit and _all_below_half(known):
        direction, reason = LOWER, "unused"
    value = min(value, most) if most else value
    if direction == RAISE and limit and value <= limit:
        direction, reason = KEEP, "at-bound"
    return Suggestion(
        resource=CPU,
        value=value,
        direction=direction,
        runs=len(known),
        largest=max(used),
        limit=limit,
        reason=reason,
    )


def limit_after_kill(runs: Sequence[Run]) -> int | None:
    """The memory that a job should have because one of its newest `runs` was killed for more; None without a kill."""
    killed = [run.memory_limit for run in runs[:NEWEST] if run.oom_kills and run.memory_limit]
    return _up_to_step(max(killed) * AFTER_KILL) if killed else None


def _memory_for(known: Sequence[Run]) -> int:
    needed = max(max(_held(run) or 0, run.memory_p95 or 0) for run in known)
    return max(LEAST_MEMORY, _up_to_step(needed * MARGIN), limit_after_kill(known) or 0)


def _memory_reason(runs: Sequence[Run], known: Sequence[Run], value: int) -> str:
    if any(run.oom_kills and run.memory_limit for run in runs):
        return "oom"
    if any(run.memory_limit and (_held(run) or 0) >= NEAR * run.memory_limit for run in runs[:LAST]):
        return "near-limit"
    good = [run for run in known if run.good]
    enough = len(good) >= ENOUGH_TO_LOWER
    return "unused" if enough and all(run.memory_limit and value <= HALF * run.memory_limit for run in good) else ""


def _held(run: Run) -> int | None:
    return run.memory_working_set_peak if run.memory_anon_peak is None else run.memory_anon_peak


def _throttled(known: Sequence[Run]) -> bool:
    """Whether most of the last runs lost time to the limit, and had something to run in it."""
    last = known[:LAST]
    slowed = [
        run
        for run in last
        if run.periods
        and (run.throttled_periods or 0) > THROTTLED * run.periods
        and run.wall_seconds
        and (run.pressure_cpu_seconds is None or run.pressure_cpu_seconds > WAITED * run.wall_seconds)
    ]
    return len(slowed) > MOST_OF_LAST * len(last)


def _all_below_half(known: Sequence[Run]) -> bool:
    if len(known) < ENOUGH_TO_LOWER:
        return False
    return all(run.cpu_limit and (run.cpu_p95 or 0.0) < HALF * run.cpu_limit for run in known)


def _up(value: float, step: float) -> float:
    return ceil(round(value / step, 6)) * step


def _up_to_step(value: float) -> int:
    return int(_up(value, MEMORY_STEP))
