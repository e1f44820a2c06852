"""One past run of a job, in the few values that comparisons and tables need."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How much is kept: runs of the last `days`, and of each job the newest `runs`."""

    days: float = 90
    runs: int = 200


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of a job, with what its build container used. `number` counts the runs of this host in their order.

    Seconds, bytes, cores; None is unknown (of limits: unlimited). `cpu_p95` and `memory_p95` are the use that the job
    stayed below for 95 % of its time. `other_oom_kills` are of its services and its helper. `verdicts` are codes.
    """

    number: int
    id: int
    project_id: int
    project: str
    name: str
    key: str
    ref: str
    sha: str
    on_default_branch: bool
    runner: str
    began: float
    seconds: float
    result: str
    exit_code: int | None
    failed_stage: str
    cache: str
    cpu_seconds: float | None = None
    cpu_limit: float | None = None
    cpu_p95: float | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    pressure_cpu_seconds: float | None = None
    wall_seconds: float | None = None
    memory_working_set_peak: int | None = None
    memory_anon_peak: int | None = None
    memory_p95: int | None = None
    memory_limit: int | None = None
    oom_kills: int | None = None
    other_oom_kills: int | None = None
    verdicts: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether its time and use say what the job needs."""
        return self.result == "success"
