"""A history of jobs that cannot be written or read: jobs end as they would, and the runner's log hears of it once."""

from __future__ import annotations

import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job
from tests.engine.calls import wait_until
from tests.engine.test_usage import ended, limited

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.conftest import StartJob
    from tests.engine.jobs import Driver

FAULTS = ["locked", "locked before it was begun", "read-only", "a folder", "no database", "damaged inside"]


def start(driver: StartJob, state: Path) -> Driver:
    """A prepared job whose limits follow its history."""
    made = driver(Job(script=[], project="virida/faults"), docker_options=limited(memory="64m"), state=state)
    with (made.folder / "executor.toml").open("a") as file:
        file.write("[limits]\nauto = true\n")
    made.prepared()
    return made


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest, driver: StartJob, state: Path) -> Iterator[str]:
    """A history with the fault, on which one job of the same name was recorded if the fault leaves that possible."""
    path = state / "history.db"
    if request.param in ("locked", "read-only", "damaged inside"):
        first = start(driver, state)
        first.run("true")
        ended(first, state=state)
    match request.param:
        case "locked" | "locked before it was begun":
            yield from _locked(path)
        case "read-only":
            yield from _read_only(path)
        case "a folder":
            path.mkdir()
            yield "cannot be used"
        case "no database":
            path.write_bytes(b"not a database, whatever it is called\n" * 500)
            yield "is damaged, or is no history of jobs"
        case _:
            _damage(path)
            yield "is damaged, or is no history of jobs"


def _locked(path: Path) -> Iterator[str]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    yield "is in use by something else"
    connection.close()


def _read_only(path: Path) -> Iterator[str]:
    subprocess.run(["mount", "--bind", path, path], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", path], check=True)
    yield "Read-only file system"
    subprocess.run(["umount", "-l", path], check=True)


def _damage(path: Path) -> None:
    """Keep the first page, which says that it is a history of this version."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))


def test_no_fault_of_the_history_changes_what_becomes_of_a_job(driver: StartJob, state: Path, fault: str) -> None:
    failed = start(driver, state)
    called = failed.run("exit 3")
    assert (called.code, (failed.folder / "build_exit_code").read_text().strip()) == (1, "3")
    good = start(driver, state)
    assert good.run("echo fine").output == "fine\n"
    last = good.run("true", stage="cleanup_file_variables")
    assert last.code == 0
    assert "Resource usage: peak memory" in last.output
    failed.end()
    wait_until((state / "history.failure").exists, 20)

    (line,) = told(good)
    assert fault in line
    assert told(start(driver, state)) == []


def told(made: Driver) -> list[str]:
    """End the job: the lines that the runner's log then gets."""
    called = made.call("cleanup")
    assert called.code == 0
    return called.output.splitlines()


def test_values_of_another_kind_are_no_limits(driver: StartJob, state: Path) -> None:
    """SQLite says nothing of them."""
    first = start(driver, state)
    first.run("head -c 200m /dev/zero | tail >/dev/null")
    ended(first, state=state)
    with sqlite3.connect(state / "history.db") as connection:
        connection.execute("UPDATE usage SET cpu_seconds = 'x', memory_anon_peak = 'y', oom_kills = 'z'")
        connection.execute("UPDATE container SET memory_limit = 'lots', memory_p95 = 'v'")
    connection.close()
    made = start(driver, state)

    killed = made.run("head -c 200m /dev/zero | tail >/dev/null || true")
    assert (killed.code, killed.output.count("The kernel killed")) == (0, 1), killed.output
    assert "Resource usage: peak memory" in made.run("true", stage="cleanup_file_variables").output
    assert made.call("cleanup").code == 0
    shown = made.call("usage")
    assert (shown.code, shown.output.count("The history of jobs is damaged: run")) == (1, 1), shown.output


def test_a_lock_keeps_no_job_waiting(driver: StartJob, state: Path) -> None:
    """Whoever holds the file may hold it for hours: a backup, a stopped `sqlite3`."""
    with_lock = _locked(state / "history.db")
    next(with_lock)
    made = driver(Job(script=[], project="virida/faults"), docker_options=limited(memory="64m"), state=state)
    with (made.folder / "executor.toml").open("a") as file:
        file.write("[limits]\nauto = true\n")
    prepared = made.prepare()
    killed = made.run("head -c 200m /dev/zero | tail >/dev/null")
    ending = made.call("cleanup")
    next(with_lock, None)

    assert prepared.output.count("The job's limits do not follow its history: ") == 1, prepared.output
    assert (prepared.code, killed.code) == (0, 1)
    assert "OUT OF MEMORY" in killed.output
    assert max(prepared.seconds, killed.seconds, ending.seconds) < 4
