"""Measured data and usages for tests, in the shape that a recording has."""

from __future__ import annotations

from typing import Any

from executor.usage.model import ContainerUse, JobFacts, Limits, Process, StageTime, Usage, Used

GIB = 1024**3
MIB = 1024**2

FACTS: dict[str, Any] = {
    "job": {
        "id": 7,
        "pipeline_id": 3,
        "project_id": 1,
        "project": "virida/app",
        "name": "unit 1/2",
        "key": "unit",
        "ref": "main",
        "sha": "0" * 40,
        "on_default_branch": True,
        "merge_request": None,
        "runner": "r",
        "host": "h",
    },
    "began": 1000.0,
    "timeout": 3600,
    "script_timeout": 0,
    "asked": False,
    "state_dir": "/nowhere",
    "trace_sections": True,
    "retention": [90.0, 200],
    "bounds": [None, None],
    "kernel": "6.8.0",
    "driver": "0.1.0",
    "engine": "Docker 27.3",
    "cgroup": 2,
}


def stage(name: str, code: int | None = 0, *, seconds: float = 10.0, stopped: bool = False) -> dict[str, Any]:
    """A stage of a recording."""
    return {"name": name, "began": 1.0, "seconds": seconds, "code": code, "stopped": stopped}


def data(*stages: dict[str, Any], status: str = "", running: str = "", **changes: Any) -> dict[str, Any]:
    """A recording without containers."""
    return {
        **FACTS,
        "version": 1,
        "seconds": 60.0,
        "status": status,
        "running": running,
        "stages": list(stages),
        "containers": [],
        "host_oom_kills": 0,
        "missing": [],
        **changes,
    }


def container(
    role: str = "build",
    *,
    name: str = "",
    memory: int | None = None,
    cpus: float | None = None,
    top: tuple[Process, ...] = (),
    killed_in: str = "",
    **used: Any,
) -> ContainerUse:
    """A container's use. `killed_in` is the stage of its kills."""
    whole = Used(stage="", wall_seconds=60.0, **used)
    rows = (Used(stage=killed_in, wall_seconds=60.0, oom_kills=whole.oom_kills),) if killed_in else ()
    return ContainerUse(
        role=role,
        name=name or role,
        image="i:1",
        limits=Limits(memory=memory, cpus=cpus),
        whole=whole,
        stages=rows,
        top_processes=top,
    )


def usage(*containers: ContainerUse, result: str = "success", **changes: Any) -> Usage:
    """A job of a minute, whose script decided its result."""
    failed = result != "success"
    values: dict[str, Any] = {
        "job": JobFacts(**FACTS["job"]),
        "began": 1000.0,
        "seconds": 60.0,
        "result": result,
        "exit_code": 1 if failed else None,
        "failed_stage": "build_script" if failed else "",
        "cache": "",
        "cgroup": 2,
        "engine": "Docker 27.3",
        "kernel": "6.8.0",
        "driver": "0.1.0",
        "containers": containers,
        "stages": (
            StageTime(name="get_sources", began=1000.0, seconds=8.0, exit_code=0),
            StageTime(name="build_script", began=1008.0, seconds=50.0, exit_code=1 if failed else 0),
        ),
    }
    return Usage(**values | changes)
