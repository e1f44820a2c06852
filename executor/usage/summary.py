"""From what was measured (the JSON of a `Recording`) to the `Usage` that everything else speaks of."""

from __future__ import annotations

from executor.job.stages import container_of
from executor.usage.model import (
    WHOLE_JOB,
    ContainerUse,
    JobFacts,
    Limits,
    Process,
    Series,
    StageTime,
    Usage,
    Used,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

SUCCESS = "success"
SCRIPT_FAILURE = "script_failure"
SYSTEM_FAILURE = "system_failure"
CANCELED = "canceled"
TIMEOUT = "timeout"

# CI_JOB_STATUS, as the runner sets it; of a job that nobody cleaned up after, what the process that measured it says.
ABANDONED = "abandoned"
STATUSES = {"canceled": CANCELED, "timedout": TIMEOUT, ABANDONED: SYSTEM_FAILURE}
# Its failure changes nothing for GitLab.
HARMLESS_STAGE = "after_script"
SCRIPT = "build_script"
# A job that is stopped is stopped by its time limit if no more than this is left of it.
TIMEOUT_SLACK = 3.0
LEAST_CPU_SECONDS = 0.01
UNITS = {"memory": "bytes", "cpu": "cores"}
COUNTS = frozenset(
    {"periods", "throttled_periods", "oom_kills", "io_read", "io_written", "network_received", "network_sent"}
)


def summarize(data: Mapping[str, Any]) -> Usage:
    """The job so far, or whole where it has ended. KeyError, ValueError or TypeError for data of another shape."""
    stages = tuple(_stage(stage, data["began"]) for stage in data["stages"])
    result, failed = outcome(data)
    return Usage(
        job=JobFacts(**data["job"]),
        began=data["began"],
        seconds=data["seconds"],
        result=result,
        exit_code=failed["code"] if failed else None,
        failed_stage=failed["name"] if failed else "",
        cache=data.get("cache", ""),
        cgroup=data.get("cgroup", 1),
        engine=data.get("engine", ""),
        kernel=data["kernel"],
        driver=data["driver"],
        containers=tuple(_container(track) for track in data["containers"]),
        stages=stages,
        series=tuple(one for track in data["containers"] for one in _curves(track)),
        missing=tuple(data["missing"]),
    )


def outcome(data: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None]:
    """How the job ended, and the stage that decided that. A stage that works when tried again has not failed.

    The running stage decides nothing, but where the runner has it stopped.
    """
    stages: Sequence[Mapping[str, Any]] = data["stages"]
    stopped = next((stage for stage in stages if stage["stopped"] and _matters(stage, stages)), None)
    failed = _failed(stages, bool(data["running"]))
    if data["status"] in STATUSES:
        return STATUSES[data["status"]], stopped or failed
    if stopped:
        return (TIMEOUT if _time_was_over(data, stopped) else CANCELED), stopped
    if failed is None:
        return SUCCESS, None
    return (SYSTEM_FAILURE if failed["code"] is None else SCRIPT_FAILURE), failed


def _matters(stage: Mapping[str, Any], stages: Sequence[Mapping[str, Any]]) -> bool:
    """An after_script has a time limit of its own, after which the job goes on."""
    return stage["name"] != HARMLESS_STAGE or stage is stages[-1]


def _failed(stages: Sequence[Mapping[str, Any]], running: bool) -> Mapping[str, Any] | None:
    """The first stage that failed and did not work later."""
    over = stages[:-1] if running else stages
    worked = {stage["name"] for stage in over if stage["code"] == 0}
    bad = (stage for stage in over if stage["code"] != 0 and stage["name"] not in worked)
    return next((stage for stage in bad if stage["name"] != HARMLESS_STAGE), None)


def _time_was_over(data: Mapping[str, Any], stopped: Mapping[str, Any]) -> bool:
    """Whether the stage had run up to a time limit when it was stopped; ending it takes some time more."""
    limit, of_script = data.get("timeout") or 0, data.get("script_timeout") or 0
    if of_script and stopped["name"] == SCRIPT and stopped["seconds"] >= of_script - TIMEOUT_SLACK:
        return True
    return bool(limit) and stopped["began"] + stopped["seconds"] >= limit - TIMEOUT_SLACK


def _stage(stage: Mapping[str, Any], began: float) -> StageTime:
    return StageTime(
        name=stage["name"], began=began + stage["began"], seconds=stage["seconds"], exit_code=stage["code"]
    )


def _container(track: Mapping[str, Any]) -> ContainerUse:
    memory, cpus = track["limits"]
    return ContainerUse(
        role=track["role"],
        name=track["name"],
        image=track["image"],
        limits=Limits(memory=memory, cpus=cpus),
        whole=_used(WHOLE_JOB, track["whole"], disk_written=track["disk_written"]),
        stages=tuple(_used(name, row) for name, row in track["stages"].items() if _took_part(track["role"], name, row)),
        top_processes=tuple(Process(name=name, memory=held) for name, held in track["top"]),
    )


def _took_part(role: str, stage: str, row: Mapping[str, Any]) -> bool:
    """Whether the stage ran in the container, or something else of it was at work meanwhile."""
    return role == container_of(stage) or row["counters"].get("cpu_seconds", 0) >= LEAST_CPU_SECONDS


def _used(stage: str, row: Mapping[str, Any], disk_written: int | None = None) -> Used:
    counters = {name: int(value) if name in COUNTS else value for name, value in row["counters"].items()}
    return Used(
        stage=stage,
        wall_seconds=row["wall"],
        samples=row["samples"],
        disk_written=disk_written,
        **counters,
        **row["peaks"],
    )


def _curves(track: Mapping[str, Any]) -> list[Series]:
    return [
        Series(
            container=track["name"],
            quantity=quantity,
            unit=UNITS[quantity],
            offsets=tuple(offsets),
            means=tuple(means),
            highs=tuple(highs),
        )
        for quantity, (offsets, means, highs) in track["curves"].items()
        if offsets
    ]
