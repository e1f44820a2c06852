"""Sudden ends of the driver and of the runner: whatever they leave, the next job's prepare removes."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job
from tests.e2e.runner import LAUNCHER, driver_processes, left_of, when_settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import StartRunner

pytestmark = pytest.mark.runner

# The sweep leaves an ended job to the process that removes it for this long.
_A_WHILE_AGO = 120.0


@pytest.fixture
def crashing_driver(tmp_path: Path) -> Path:
    """A stand-in for the driver that can be told to die: see crash_driver.sh."""
    folder = tmp_path / "driver"
    (folder / "began").mkdir(parents=True)
    (folder / "driver").symlink_to(LAUNCHER)
    return Path(shutil.copy(Path(__file__).parent / "crash_driver.sh", folder))


# Phase or stage, moment of its end, state of the job: the runner tries config and prepare again.
_ENDS = {
    "config": ("config", "0", "success"),
    "prepare, before it made anything": ("prepare", "0.05", "success"),
    "prepare, with containers half made": ("prepare", "container", "success"),
    "a helper stage": ("get_sources", "0", "failed"),
    "the script": ("build_script", "1.0", "failed"),
    "after_script": ("after_script", "0.5", "success"),
    "cleanup": ("cleanup", "0", "success"),
}


@pytest.mark.parametrize(("phase", "moment", "state"), _ENDS.values(), ids=_ENDS.keys())
def test_a_driver_that_was_killed_leaves_nothing_after_the_next_job(
    start_runner: StartRunner, crashing_driver: Path, phase: str, moment: str, state: str
) -> None:
    runner = start_runner(driver=crashing_driver)
    (crashing_driver.parent / "crash").write_text(f"{phase} {moment}\n")
    record = runner.run(Job(script=["echo started; sleep 2"], after_script=["echo after; sleep 2"]))
    assert (crashing_driver.parent / "crashed").exists()
    assert record.state == state, record.trace
    assert ("Will be retried" in record.trace) == (phase in ("config", "prepare"))
    following = runner.run(Job(script=["echo the next job"]))
    assert following.outcome == ("success", None, None), following.trace
    runner.assert_nothing_left()


def test_a_removal_that_was_killed_is_done_by_a_later_job(start_runner: StartRunner) -> None:
    runner = start_runner()
    record = runner.run(Job(script=["echo done"]))
    removing = driver_processes(runner.settings, "cleanup")
    for process in removing:
        os.kill(process, signal.SIGKILL)
    assert removing
    (mark,) = (runner.settings.state_dir / "jobs").glob("*/ended")
    os.utime(mark, (time.time() - _A_WHILE_AGO,) * 2)
    assert left_of(record.job.id)
    runner.run(Job(script=["echo the next job"]))
    runner.assert_nothing_left()


# When the runner dies: the phase that must have begun, and for how long.
_MOMENTS = {"prepare": ("prepare", 0.3), "the script": ("build_script", 1.0), "cleanup": ("cleanup", 0.0)}


@pytest.mark.parametrize(("phase", "seconds"), _MOMENTS.values(), ids=_MOMENTS.keys())
def test_a_runner_that_was_killed_leaves_nothing_after_the_next_job(
    start_runner: StartRunner, crashing_driver: Path, phase: str, seconds: float
) -> None:
    runner = start_runner(driver=crashing_driver)
    length = 1 if phase == "cleanup" else 300
    lost = runner.submit(Job(script=[f"echo started; sleep {length}"]))
    _wait_for((crashing_driver.parent / "began" / phase).exists)
    time.sleep(seconds)
    runner.kill()
    runner.records.clear()
    runner.start()
    following = runner.run(Job(script=["echo the next job"]))
    assert following.outcome == ("success", None, None), following.trace
    assert when_settled(runner.settings, lambda: left_of(lost.job.id)) == []
    runner.assert_nothing_left()


def test_a_runner_that_is_stopped_ends_its_jobs(start_runner: StartRunner) -> None:
    runner = start_runner()
    record = runner.submit(Job(script=["echo started; sleep 300"]))
    record.wait_for_output("\nstarted\n")
    runner.stop()
    assert record.outcome[:2] == ("failed", "runner_system_failure")
    runner.assert_nothing_left()


def _wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
