"""The tables, as numbered steps from one version of the file to the next. A step that was released never changes."""

from __future__ import annotations

from executor.usage.history.failures import HistoryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import Connection

_FIRST = """
CREATE TABLE job_run(
    run INTEGER PRIMARY KEY AUTOINCREMENT,
    id INTEGER NOT NULL, pipeline_id INTEGER, project_id INTEGER NOT NULL, project TEXT NOT NULL,
    name TEXT NOT NULL, key TEXT NOT NULL, ref TEXT, sha TEXT, on_default_branch INTEGER NOT NULL,
    merge_request INTEGER, runner TEXT NOT NULL, host TEXT,
    began REAL NOT NULL, seconds REAL NOT NULL, result TEXT NOT NULL, exit_code INTEGER, failed_stage TEXT,
    cache TEXT, cgroup INTEGER, engine TEXT, kernel TEXT, driver TEXT,
    UNIQUE(runner, id));
CREATE INDEX job_run_key ON job_run(project_id, key, run);
CREATE INDEX job_run_began ON job_run(began);
CREATE TABLE container(
    run INTEGER NOT NULL REFERENCES job_run ON DELETE CASCADE, position INTEGER NOT NULL,
    role TEXT NOT NULL, name TEXT NOT NULL, image TEXT, memory_limit INTEGER, cpu_limit REAL,
    cpu_p95 REAL, memory_p95 INTEGER,
    PRIMARY KEY(run, position)) WITHOUT ROWID;
CREATE TABLE usage(
    run INTEGER NOT NULL REFERENCES job_run ON DELETE CASCADE, container INTEGER NOT NULL, position INTEGER NOT NULL,
    stage TEXT NOT NULL, wall_seconds REAL NOT NULL,
    cpu_seconds REAL, cpu_user_seconds REAL, cpu_system_seconds REAL,
    throttled_seconds REAL, periods INTEGER, throttled_periods INTEGER,
    memory_working_set_peak INTEGER, memory_anon_peak INTEGER, memory_kernel_peak INTEGER,
    oom_kills INTEGER, processes_peak INTEGER, io_read INTEGER, io_written INTEGER,
    network_received INTEGER, network_sent INTEGER, disk_written INTEGER,
    pressure_cpu_seconds REAL, pressure_memory_seconds REAL, pressure_io_seconds REAL, samples INTEGER NOT NULL,
    PRIMARY KEY(run, container, position)) WITHOUT ROWID;
CREATE TABLE stage_time(
    run INTEGER NOT NULL REFERENCES job_run ON DELETE CASCADE, position INTEGER NOT NULL,
    name TEXT NOT NULL, began REAL NOT NULL, seconds REAL NOT NULL, exit_code INTEGER,
    PRIMARY KEY(run, position)) WITHOUT ROWID;
CREATE TABLE verdict(
    run INTEGER NOT NULL REFERENCES job_run ON DELETE CASCADE, position INTEGER NOT NULL,
    code TEXT NOT NULL, severity TEXT NOT NULL, happened TEXT NOT NULL, evidence TEXT NOT NULL, advice TEXT NOT NULL,
    PRIMARY KEY(run, position)) WITHOUT ROWID;
CREATE TABLE detail(
    run INTEGER PRIMARY KEY REFERENCES job_run ON DELETE CASCADE, json BLOB NOT NULL);
"""

# Step N makes version N of N-1.
MIGRATIONS: tuple[str, ...] = (_FIRST,)


def migrate(connection: Connection) -> None:
    """Bring the file up to this version's tables; HistoryError where a newer version wrote it: it is left alone."""
    if _checked_version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    for number in range(_checked_version(connection), len(MIGRATIONS)):
        for statement in MIGRATIONS[number].split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number + 1}")
    connection.execute("COMMIT")


def _checked_version(connection: Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise HistoryError(
            f"The history of jobs has version {version}; this virida-executor knows {len(MIGRATIONS)} at most.",
            cause="A newer virida-executor wrote it. It was left as it is.",
            fix="Update virida-executor on this host.",
        )
    return int(version)
