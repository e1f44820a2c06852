"""Sudden ends of the driver and of the runner: whatever they leave, the next job's prepare removes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job
from tests.e2e.runner import LAUNCHER, left_of, wait_until_empty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.conftest import StartRunner

pytestmark = pytest.mark.runner


@pytest.fixture
def crashing_driver(tmp_path: Path) -> Iterator[Path]:
    """A stand-in for the driver that can be told to die: see crash_driver.sh. What survives a test is ended."""
    folder = tmp_path / "driver"
    (folder / "pids").mkdir(parents=True)
    (folder / "driver").symlink_to(LAUNCHER)
    stand_in = folder / "crash_driver.sh"
    shutil.copy(Path(__file__).parent / "crash_driver.sh", stand_in)
    yield stand_in
    for file in (folder / "pids").iterdir():
        pid = int(file.read_text())
        with contextlib.suppress(OSError):
            if str(LAUNCHER.parent).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)


# phase or stage, seconds until its end, state of the job: config and prepare are tried again by the runner.
_ENDS = {
    "config": ("config", 0.0, "success"),
    "prepare, early": ("prepare", 0.05, "success"),
    "prepare, with containers half made": ("prepare", 0.35, "success"),
    "a helper stage": ("get_sources", 0.01, "failed"),
    "the script": ("build_script", 1.0, "failed"),
    "cleanup, before it began": ("cleanup", 0.0, "success"),
    "cleanup, half way": ("cleanup", 0.1, "success"),
}


@pytest.mark.parametrize(("phase", "seconds", "state"), _ENDS.values(), ids=_ENDS.keys())
def test_a_driver_that_was_killed_leaves_nothing_after_the_next_job(
    start_runner: StartRunner, crashing_driver: Path, phase: str, seconds: float, state: str
) -> None:
    runner = start_runner(driver=crashing_driver)
    (crashing_driver.parent / "crash").write_text(f"{phase} {seconds}\n")
    record = runner.run(Job(script=["echo started; sleep 2; echo done"], after_script=["echo after"]))
    assert (crashing_driver.parent / "crashed").exists()
    assert record.state == state, record.trace
    following = runner.run(Job(script=["echo the next job"]))
    assert following.outcome == ("success", None, None), following.trace
    runner.assert_nothing_left()


def test_a_script_whose_driver_was_killed_does_not_run_on(start_runner: StartRunner, crashing_driver: Path) -> None:
    runner = start_runner(driver=crashing_driver)
    (crashing_driver.parent / "crash").write_text("build_script 1\n")
    record = runner.run(Job(script=["echo started; sleep 300"]), seconds=30)
    assert record.outcome[:2] == ("failed", "runner_system_failure")


# When the runner dies: the phase that must have begun, and how long it has been running.
_MOMENTS = {"prepare": ("prepare", 0.3), "the script": ("build_script", 1.0), "cleanup": ("cleanup", 0.05)}


@pytest.mark.parametrize(("phase", "seconds"), _MOMENTS.values(), ids=_MOMENTS.keys())
def test_a_runner_that_was_killed_leaves_nothing_after_the_next_job(
    start_runner: StartRunner, crashing_driver: Path, phase: str, seconds: float
) -> None:
    runner = start_runner(driver=crashing_driver)
    length = 1 if phase == "cleanup" else 300
    lost = runner.submit(Job(script=[f"echo started; sleep {length}"]))
    _wait_for(lambda: list((crashing_driver.parent / "pids").glob(f"{phase}.*")))
    time.sleep(seconds)
    runner.kill()
    runner.records.clear()
    runner.start()
    following = runner.run(Job(script=["echo the next job"]))
    assert following.outcome == ("success", None, None), following.trace
    assert wait_until_empty(lambda: left_of(lost.job.id), 10) == []
    runner.assert_nothing_left()


def test_a_runner_that_is_stopped_ends_its_jobs(start_runner: StartRunner) -> None:
    runner = start_runner()
    record = runner.submit(Job(script=["echo started; sleep 300"]))
    record.wait_for_output("\nstarted\n")
    runner.stop()
    assert record.outcome[:2] == ("failed", "runner_system_failure")
    runner.assert_nothing_left()


def _wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
