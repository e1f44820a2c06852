"""What was measured of a job. None is "this host cannot say", never 0.

Seconds, bytes and counts; CPU limits in cores; times in seconds since the epoch unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

# The whole life of a container, beside the names of stages.
WHOLE_JOB = ""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a container may use at most; None is unlimited."""

    memory: int | None = None
    cpus: float | None = None


@dataclass(frozen=True, kw_only=True)
class Used:
    """What one container used in one stage, or in all its life (`stage` WHOLE_JOB).

    `memory_working_set_peak` is what `docker stats` calls usage, `memory_anon_peak` what its processes hold themselves
    (anonymous and shared memory), `memory_kernel_peak` the kernel's own peak, page cache included. Pressure is the
    time that some process waited. `network_*` is of the job's shared network namespace: of the helper's row alone,
    where containers share one.
    """

    stage: str
    wall_seconds: float
    cpu_seconds: float | None = None
    cpu_user_seconds: float | None = None
    cpu_system_seconds: float | None = None
    throttled_seconds: float | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    memory_working_set_peak: int | None = None
    memory_anon_peak: int | None = None
    memory_kernel_peak: int | None = None
    oom_kills: int | None = None
    processes_peak: int | None = None
    io_read: int | None = None
    io_written: int | None = None
    network_received: int | None = None
    network_sent: int | None = None
    disk_written: int | None = None
    pressure_cpu_seconds: float | None = None
    pressure_memory_seconds: float | None = None
    pressure_io_seconds: float | None = None
    samples: int = 0


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process at the moment of a container's highest memory. `name` is the kernel's (comm), never its arguments."""

    name: str
    memory: int


@dataclass(frozen=True, kw_only=True)
class ContainerUse:
    """One container of the job. `role` is helper, build or service; `name` is a service's alias, else the role."""

    role: str
    name: str
    image: str
    limits: Limits
    whole: Used
    stages: tuple[Used, ...] = ()
    top_processes: tuple[Process, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StageTime:
    """A stage as the runner called it, with the exit code of its script (None where it did not end)."""

    name: str
    began: float
    seconds: float
    exit_code: int | None = None


@dataclass(frozen=True, kw_only=True)
class Series:
    """Evenly reduced points over the job's time: `offsets` in seconds since its begin, one value for each.

    `highs` keep each bucket's maximum, so that a short spike stays visible. `unit` is bytes, cores or bytes/s.
    """

    container: str
    quantity: str
    unit: str
    offsets: tuple[float, ...]
    means: tuple[float, ...]
    highs: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class JobFacts:
    """Who the job is. `key` names the same job in other pipelines: its name without the ` 3/10` of `parallel`."""

    id: int
    pipeline_id: int | None
    project_id: int
    project: str
    name: str
    key: str
    ref: str
    sha: str
    on_default_branch: bool
    merge_request: int | None
    runner: str
    host: str


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Everything known of one job's use. `result` is success, script_failure, system_failure, canceled or timeout.

    `cache` is hit, miss, or "" where the job has none. `missing` names what this host cannot measure. `cgroup` is 1
    or 2.
    """

    job: JobFacts
    began: float
    seconds: float
    result: str
    exit_code: int | None
    failed_stage: str
    cache: str
    cgroup: int
    engine: str
    kernel: str
    driver: str
    containers: tuple[ContainerUse, ...]
    stages: tuple[StageTime, ...]
    series: tuple[Series, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Something that went wrong, for people. `severity` is error, warning or info.

    `code` is one word (oom, near-limit, throttled, disk-full, timeout, canceled, killed, host-oom, heap-limit,
    service-oom);
    `happened`, `evidence` and `advice` are one sentence each.
    """

    code: str
    severity: str
    happened: str
    evidence: str
    advice: str
