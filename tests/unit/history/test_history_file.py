"""The file of history: what is kept comes back, and no fault of the host loses what was there."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from executor.usage.history import file, schema
from executor.usage.history.failures import HistoryError
from executor.usage.history.model import Retention
from executor.usage.history.queries import Wanted, known_names, last_run, past_runs, runs_of_job, whole_run
from executor.usage.history.record import record
from tests.unit.report.builders import BEGAN, OOM, a_job, a_usage, bare_usage, build, helper, oom_usage, service, used

if TYPE_CHECKING:
    from pathlib import Path

    from executor.usage.history.model import Run
    from executor.usage.model import Usage

DAY = 86400.0


@pytest.fixture
def path(tmp_path: Path) -> str:
    return file.history_file(str(tmp_path))


def run_number(number: int, *, key: str = "build:frontend", began: float | None = None) -> Usage:
    return a_usage(job=a_job(id=number, name=key, key=key), began=time.time() if began is None else began)


def all_runs(path: str) -> list[Run]:
    return past_runs(path, Wanted(), limit=1000)


@pytest.mark.parametrize(
    "usage",
    [
        a_usage(series=()),
        oom_usage(),
        bare_usage(),
        a_usage(containers=(), stages=(), series=()),
        a_usage(job=a_job(pipeline_id=None, merge_request=12, on_default_branch=False), exit_code=None),
        a_usage(containers=(build(), service(), service()), series=()),
    ],
    ids=["good", "oom", "bare", "empty", "unknown", "two services of one name"],
)
def test_all_of_a_job_comes_back(path: str, usage: Usage) -> None:
    record(path, usage, (OOM,))

    kept, verdicts = whole_run(path, 1)

    assert replace(kept, series=()) == replace(usage, series=())
    assert verdicts == (OOM,)
    assert [one.container for one in kept.series] == [one.container for one in usage.series]
    assert [one.highs for one in kept.series] == [
        tuple(pytest.approx(value, abs=1) for value in one.highs) for one in usage.series
    ]


def test_runs_in_short_tell_of_the_build_container(path: str) -> None:
    killed = service(whole=used(oom_kills=2))
    record(path, a_usage(containers=(helper(), build(whole=used(oom_kills=1)), killed)), (OOM, replace(OOM, code="x")))

    (run,) = all_runs(path)

    assert (run.oom_kills, run.other_oom_kills, run.verdicts) == (1, 2, ("oom", "x"))
    assert (run.cpu_seconds, run.cpu_limit, run.memory_anon_peak) == (511.0, 2.0, 1_825_000_000)
    assert run.cpu_p95 == pytest.approx(1.6, abs=0.01)
    assert run.memory_p95 == pytest.approx(1.85 * 1024**3, abs=1)
    assert run.on_default_branch is True


def test_what_is_unknown_is_null_and_not_nothing(path: str) -> None:
    record(path, bare_usage(), ())

    (run,) = all_runs(path)

    assert (run.cpu_seconds, run.oom_kills, run.memory_anon_peak, run.cpu_p95) == (None, None, None, None)


def test_another_try_of_a_job_replaces_the_one_before(path: str) -> None:
    record(path, oom_usage(), (OOM,))
    record(path, a_usage(), ())

    assert [(run.id, run.result, run.verdicts) for run in all_runs(path)] == [(88214, "success", ())]


def test_the_same_number_on_another_gitlab_is_another_job(path: str) -> None:
    record(path, a_usage(), ())
    record(path, a_usage(job=a_job(runner="other")), ())

    assert len(all_runs(path)) == 2


def test_only_the_owner_may_read_it(path: str) -> None:
    previous = os.umask(0)
    try:
        with file.writing(path) as connection:
            connection.execute("DELETE FROM job_run")
            modes = {name: stat.S_IMODE(os.stat(path + name).st_mode) for name in ("", "-wal", "-shm")}
    finally:
        os.umask(previous)

    assert modes == {"": 0o600, "-wal": 0o600, "-shm": 0o600}


def test_it_is_not_written_through_a_link(path: str, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    os.symlink(target, path)

    with pytest.raises(HistoryError):
        record(path, a_usage(), ())
    assert not target.exists()


def test_half_a_character_in_a_name_is_no_reason_to_lose_a_job(path: str) -> None:
    record(path, a_usage(job=a_job(name="\ud800", key="\ud800", ref="a\0b")), ())

    assert [run.name for run in all_runs(path)] == ["?"]


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("usage", "oom_kills", "z"),
        ("container", "memory_limit", 1.5),
        ("job_run", "seconds", "s"),
        ("job_run", "ref", b"r"),
    ],
)
def test_a_value_of_another_kind_is_damage(path: str, table: str, column: str, value: object) -> None:
    record(path, run_number(1), ())
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE {table} SET {column} = ?", [value])
    connection.close()

    with pytest.raises(HistoryError, match=f"is damaged: run 1 in it has no usable {column}"):
        all_runs(path)


def test_no_history_yet(path: str) -> None:
    with pytest.raises(HistoryError, match="no history of jobs on this host yet"):
        all_runs(path)


def test_a_locked_file_is_told_and_nothing_is_lost(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "SECONDS_TO_WAIT", 0.2)
    record(path, run_number(1), ())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(HistoryError, match="in use by something else"):
        record(path, run_number(2), ())
    assert len(all_runs(path)) == 1
    other.close()
    record(path, run_number(2), ())
    assert len(all_runs(path)) == 2


def test_a_full_disk_is_told_and_nothing_is_lost(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record(path, run_number(1), ())
    connected = file._connected

    def nearly_full(path: str, seconds: float) -> sqlite3.Connection:
        connection = connected(path, seconds)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(file, "_connected", nearly_full)
    with pytest.raises(HistoryError, match=r"disk of .* is full"):
        for number in range(2, 200):
            record(path, run_number(number, key="x" * 3000), ())
    monkeypatch.undo()
    assert all_runs(path)[-1].id == 1
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_told_and_left_as_it_is(path: str, content: bytes) -> None:
    with open(path, "wb") as damaged:
        damaged.write(content)

    with pytest.raises(HistoryError, match="damaged") as raised:
        record(path, a_usage(), ())
    assert f"mv {path} {path}.damaged" in raised.value.fix
    with open(path, "rb") as damaged:
        assert damaged.read() == content


def test_damage_in_the_middle_is_told(path: str) -> None:
    for number in range(1, 30):
        record(path, run_number(number), ())
    with open(path, "r+b") as damaged:
        damaged.seek(4096)
        damaged.write(b"\xff" * 60_000)

    with pytest.raises(HistoryError, match="damaged"):
        all_runs(path)


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="cannot be used: No such file"):
        record(str(tmp_path / "gone" / "history.db"), a_usage(), ())


def test_a_value_that_fits_nowhere_is_told(path: str) -> None:
    with pytest.raises(HistoryError, match="does not fit"):
        record(path, a_usage(job=a_job(id=2**70)), ())
    assert not all_runs(path)


def test_a_newer_file_is_left_alone(path: str) -> None:
    record(path, a_usage(), ())
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    for use in (lambda: record(path, run_number(2), ()), lambda: all_runs(path)):
        with pytest.raises(HistoryError, match=r"version 99; .* knows 1 at most"):
            use()
    assert sqlite3.connect(path).execute("SELECT count(*) FROM job_run").fetchone() == (1,)


def test_an_older_file_is_brought_up_to_date_with_all_its_runs(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record(path, a_usage(), ())
    monkeypatch.setattr(
        schema, "MIGRATIONS", (*schema.MIGRATIONS, "ALTER TABLE job_run ADD COLUMN colour TEXT DEFAULT 'red'")
    )

    with file.reading(path) as connection:
        row = connection.execute("SELECT colour, key FROM job_run").fetchone()

    assert tuple(row) == ("red", "build:frontend")


def test_a_step_that_fails_half_way_changes_nothing(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record(path, a_usage(), ())
    broken = "CREATE TABLE more(x); CREATE TABLE more(x)"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
    with pytest.raises(HistoryError, match="already exists"):
        all_runs(path)
    monkeypatch.undo()

    assert len(all_runs(path)) == 1


def test_jobs_that_end_at_the_same_time_are_all_kept(path: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: record(path, run_number(number), ()), range(1, 41)))

    assert sorted(run.id for run in all_runs(path)) == list(range(1, 41))


def test_a_driver_that_is_killed_while_it_writes_leaves_a_whole_file(path: str) -> None:
    record(path, run_number(1), ())
    script = (
        "import os, sys\n"
        "from executor.usage.history.file import writing\n"
        "with writing(sys.argv[1]) as connection:\n"
        "    connection.execute('DELETE FROM job_run')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, path], check=False).returncode == -9

    record(path, run_number(2), ())

    assert [run.id for run in all_runs(path)] == [2, 1]


def test_of_each_job_only_the_newest_runs_stay(path: str) -> None:
    for number in range(1, 8):
        record(path, run_number(number, key="test" if number % 2 else "lint"), (), Retention(runs=2))

    assert [run.id for run in all_runs(path)] == [7, 6, 5, 4]


def test_old_runs_go(path: str) -> None:
    now = time.time()
    for number, age in enumerate([100, 91, 89, 3], start=1):
        record(path, run_number(number, key=f"job{number}", began=now - age * DAY), ())
    for number in range(100, 151):
        record(path, run_number(number, key="busy"), ())

    assert {run.id for run in all_runs(path)} == {3, 4, *range(100, 151)}
    assert not _rows_without_run(path)


def test_a_clock_that_jumps_ahead_makes_nothing_old(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record(path, run_number(1, key="rare"), ())
    future = time.time() + 20 * 365 * DAY
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: future)
        record(path, run_number(2, began=future), ())
    record(path, run_number(3), ())

    assert [run.id for run in all_runs(path)] == [3, 2, 1]


def test_a_host_without_a_clock_loses_nothing(path: str) -> None:
    for number in range(1, 60):
        record(path, run_number(number, began=float(number)), ())
    record(path, run_number(60, began=-1e18), ())

    assert [run.id for run in all_runs(path)] == list(range(60, 0, -1))


def _rows_without_run(path: str) -> int:
    tables = ("container", "usage", "stage_time", "verdict", "detail")
    connection = sqlite3.connect(path)
    return sum(
        connection.execute(f"SELECT count(*) FROM {table} WHERE run NOT IN (SELECT run FROM job_run)").fetchone()[0]
        for table in tables
    )


def test_runs_are_found_by_project_by_either_name_and_by_time(path: str) -> None:
    record(path, a_usage(job=a_job(id=1, project="virida/api"), began=BEGAN), ())
    record(path, a_usage(job=a_job(id=2, name="build:frontend 4/10"), began=BEGAN + DAY), ())

    def found(wanted: Wanted) -> list[int]:
        return [run.id for run in past_runs(path, wanted, limit=10)]

    assert found(Wanted(project="virida/api")) == [1]
    assert found(Wanted(job="build:frontend")) == [2, 1]
    assert found(Wanted(job="build:frontend 4/10")) == [2]
    assert found(Wanted(since=BEGAN + 1)) == [2]
    assert found(Wanted(project="virida/api", since=BEGAN + 1)) == []
    assert len(past_runs(path, Wanted(), limit=1)) == 1


def test_runs_of_a_job_are_those_of_its_project_and_key(path: str) -> None:
    others: list[dict[str, object]] = [{}, {"project_id": 8}, {"project": "x/frontend"}, {"key": "lint"}, {"ref": "y"}]
    for number, changes in enumerate(others, start=1):
        record(path, a_usage(job=a_job(id=number, **changes)), ())

    assert [run.id for run in runs_of_job(path, 7, "virida/frontend", "build:frontend", limit=10)] == [5, 1]


def test_a_job_is_found_by_its_number_or_its_name(path: str) -> None:
    record(path, a_usage(job=a_job(id=41)), ())
    record(path, a_usage(job=a_job(id=42)), ())
    record(path, a_usage(job=a_job(id=43, name="lint", key="lint")), ())

    assert (last_run(path, "41"), last_run(path, "build:frontend"), last_run(path, "nope")) == (1, 2, None)
    assert known_names(path) == ["lint", "build:frontend"]
