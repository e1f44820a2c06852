"""Reading the history: past runs in short, and all that is known of one."""

from __future__ import annotations

from dataclasses import dataclass, fields

from executor.usage.history.detail import unpacked
from executor.usage.history.failures import HistoryError
from executor.usage.history.file import reading
from executor.usage.history.model import Run
from executor.usage.history.record import USAGE_FIELDS
from executor.usage.history.text import storable
from executor.usage.model import ContainerUse, JobFacts, Limits, StageTime, Usage, Used, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from sqlite3 import Connection, Row
    from typing import Any

_OF_JOB = (
    "id project_id project name key ref sha on_default_branch runner began seconds result exit_code failed_stage cache"
)
_OF_CONTAINER = "cpu_limit cpu_p95 memory_p95 memory_limit"
_OF_USE = (
    "cpu_seconds periods throttled_periods pressure_cpu_seconds wall_seconds"
    " memory_working_set_peak memory_anon_peak oom_kills"
)
_COLUMNS = ", ".join(
    [
        "j.run AS number",
        *(f"j.{name}" for name in _OF_JOB.split()),
        *(f"c.{name}" for name in _OF_CONTAINER.split()),
        *(f"u.{name}" for name in _OF_USE.split()),
        "(SELECT sum(o.oom_kills) FROM usage o"
        " WHERE o.run = j.run AND o.position = 0 AND o.container IS NOT c.position) AS other_oom_kills",
        "(SELECT group_concat(v.code) FROM verdict v WHERE v.run = j.run) AS verdicts",
    ]
)
_TABLES = (
    "FROM job_run j"
    " LEFT JOIN container c ON c.run = j.run"
    " AND c.position = (SELECT min(position) FROM container WHERE run = j.run AND role = 'build')"
    " LEFT JOIN usage u ON u.run = j.run AND u.container = c.position AND u.position = 0"
)
_CONTAINERS = "SELECT * FROM container WHERE run = ? ORDER BY position"
_STAGES = "SELECT * FROM stage_time WHERE run = ? ORDER BY position"
_VERDICTS = "SELECT * FROM verdict WHERE run = ? ORDER BY position"
_LAST_OF_NUMBER = "SELECT max(run) FROM job_run WHERE id = ?"
_LAST_OF_NAME = "SELECT max(run) FROM job_run WHERE ? IN (name, key)"
# SQLite keeps any value in any column, and has no checksums: whoever compares runs counts on what is said in `Run`.
_NONE = type(None)
_FITTING: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "int | None": (int, _NONE),
    "float": (int, float),
    "float | None": (int, float, _NONE),
    "str": (str, _NONE),
}
_CHECKED = {one.name: _FITTING[str(one.type)] for one in fields(Run) if str(one.type) in _FITTING}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which runs: of a project's path, of a job's name (as in one pipeline or in all), begun at `since` or later."""

    project: str = ""
    job: str = ""
    since: float | None = None


def past_runs(path: str, wanted: Wanted, *, limit: int) -> list[Run]:
    """The newest `limit` runs, newest first. HistoryError where the history cannot be read, or is not there."""
    conditions = {
        "j.project = ?": wanted.project or None,
        "? IN (j.name, j.key)": wanted.job or None,
        "j.began >= ?": wanted.since,
    }
    held = {condition: value for condition, value in conditions.items() if value is not None}
    with reading(path) as connection:
        return _select(connection, list(held), list(held.values()), limit)


def runs_of_job(path: str, project_id: int, project: str, key: str, *, limit: int) -> list[Run]:
    """The newest `limit` runs of one job of one project on all branches, newest first."""
    conditions = ["j.project_id = ?", "j.project = ?", "j.key = ?"]
    with reading(path) as connection:
        return _select(connection, conditions, [project_id, project, key], limit)


def last_run(path: str, words: str) -> int | None:
    """The `number` of the newest run that `words` means: a job's number in GitLab, else its name; None for no such."""
    statement = _LAST_OF_NUMBER if words.isascii() and words.isdigit() else _LAST_OF_NAME
    with reading(path) as connection:
        row = connection.execute(statement, [storable(words)]).fetchone()
    return None if row[0] is None else int(row[0])


def known_names(path: str) -> list[str]:
    """The names of all jobs in the history, those of the newest runs first."""
    with reading(path) as connection:
        rows = connection.execute("SELECT key FROM job_run GROUP BY key ORDER BY max(run) DESC").fetchall()
    return [row[0] for row in rows]


def whole_run(path: str, number: int) -> tuple[Usage, tuple[Verdict, ...]]:
    """All that was kept of a run."""
    with reading(path) as connection:
        job = connection.execute("SELECT * FROM job_run WHERE run = ?", [number]).fetchone()
        detail = connection.execute("SELECT json FROM detail WHERE run = ?", [number]).fetchone()
        series, processes, missing = unpacked(detail["json"])
        usage = Usage(
            job=JobFacts(**_taken(job, JobFacts) | {"on_default_branch": bool(job["on_default_branch"])}),
            **{name: job[name] for name in USAGE_FIELDS},
            containers=tuple(_container(connection, row, processes) for row in _rows(connection, _CONTAINERS, number)),
            stages=tuple(StageTime(**_taken(row, StageTime)) for row in _rows(connection, _STAGES, number)),
            series=series,
            missing=missing,
        )
        return usage, tuple(Verdict(**_taken(row, Verdict)) for row in _rows(connection, _VERDICTS, number))


def _select(connection: Connection, conditions: list[str], values: list[Any], limit: int) -> list[Run]:
    where = ["WHERE", " AND ".join(conditions)] if conditions else []
    statement = " ".join(["SELECT", _COLUMNS, _TABLES, *where, "ORDER BY j.run DESC LIMIT ?"])
    rows = connection.execute(statement, [*map(storable, values), limit])
    return [_run(row) for row in rows]


def _run(row: Row) -> Run:
    values = {name: row[name] for name in Run.__dataclass_fields__}
    for name, kinds in _CHECKED.items():
        if not isinstance(values[name], kinds):
            raise HistoryError(
                f"The history of jobs is damaged: run {row['number']} in it has no usable {name}.",
                fix="Move history.db in the state folder away: the next job begins a new one.",
            )
    values["on_default_branch"] = bool(row["on_default_branch"])
    values["verdicts"] = tuple(row["verdicts"].split(",")) if row["verdicts"] else ()
    return Run(**values)


def _rows(connection: Connection, statement: str, number: int) -> Iterable[Row]:
    return connection.execute(statement, [number]).fetchall()


def _container(connection: Connection, row: Row, processes: list[Any]) -> ContainerUse:
    used = connection.execute(
        "SELECT * FROM usage WHERE run = ? AND container = ? ORDER BY position", [row["run"], row["position"]]
    )
    whole, *stages = (Used(**_taken(one, Used)) for one in used)
    return ContainerUse(
        role=row["role"],
        name=row["name"],
        image=row["image"],
        limits=Limits(memory=row["memory_limit"], cpus=row["cpu_limit"]),
        whole=whole,
        stages=tuple(stages),
        top_processes=processes[row["position"]],
    )


def _taken(row: Row, kind: Any) -> dict[str, Any]:
    return {name: row[name] for name in kind.__dataclass_fields__}
