"""Keeping one job: one transaction, in which old runs go too."""

from __future__ import annotations

from executor.usage.history.detail import packed
from executor.usage.history.file import writing
from executor.usage.history.model import Retention
from executor.usage.history.retention import prune
from executor.usage.history.text import storable
from executor.usage.model import JobFacts, StageTime, Used, Verdict
from executor.usage.quantiles import cpu_p95, memory_p95

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from sqlite3 import Connection
    from typing import Any

    from executor.usage.model import ContainerUse, Usage

USAGE_FIELDS = (
    "began",
    "seconds",
    "result",
    "exit_code",
    "failed_stage",
    "cache",
    "cgroup",
    "engine",
    "kernel",
    "driver",
)


def record(path: str, usage: Usage, verdicts: Sequence[Verdict], retention: Retention | None = None) -> None:
    """Add a job to the history in `path`, in place of an earlier try of it.

    Raises HistoryError where the file is locked, damaged or of a newer version, or the disk is full: nothing is lost.
    """
    detail = packed(usage)
    with writing(path) as connection:
        connection.execute(
            "DELETE FROM job_run WHERE runner = ? AND id = ?", (storable(usage.job.runner), usage.job.id)
        )
        run = _insert(connection, "job_run", _job_columns(usage))
        for position, container in enumerate(usage.containers):
            _insert_container(connection, run, position, container, usage)
        _insert_all(connection, "stage_time", run, usage.stages, StageTime)
        _insert_all(connection, "verdict", run, verdicts, Verdict)
        _insert(connection, "detail", {"run": run, "json": detail})
        prune(connection, usage.job, retention or Retention())


def _job_columns(usage: Usage) -> dict[str, Any]:
    return {
        **{name: getattr(usage.job, name) for name in JobFacts.__dataclass_fields__},
        **{name: getattr(usage, name) for name in USAGE_FIELDS},
    }


def _insert_container(connection: Connection, run: int, position: int, container: ContainerUse, usage: Usage) -> None:
    columns = {
        "run": run,
        "position": position,
        "role": container.role,
        "name": container.name,
        "image": container.image,
        "memory_limit": container.limits.memory,
        "cpu_limit": container.limits.cpus,
        "cpu_p95": cpu_p95(usage.series, container.name),
        "memory_p95": memory_p95(usage.series, container.name),
    }
    _insert(connection, "container", columns)
    for number, used in enumerate((container.whole, *container.stages)):
        _insert(connection, "usage", {"run": run, "container": position, "position": number, **_fields(used, Used)})


def _insert_all(connection: Connection, table: str, run: int, values: Sequence[Any], kind: type) -> None:
    for position, value in enumerate(values):
        _insert(connection, table, {"run": run, "position": position, **_fields(value, kind)})


def _fields(value: Any, kind: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in kind.__dataclass_fields__}


def _insert(connection: Connection, table: str, columns: Mapping[str, Any]) -> int:
    """The number of the new row."""
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    values = [storable(value) for value in columns.values()]
    return connection.execute(f"INSERT INTO {table}({names}) VALUES({marks})", values).lastrowid or 0
