"""Failed jobs that are kept for a look, under a real runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job, variable
from tests.e2e.runner import left_of, wait_until_empty

if TYPE_CHECKING:
    from tests.e2e.conftest import StartRunner
    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner

KEPT = "The job's containers are kept until"


def runner_that_keeps(start_runner: StartRunner) -> GitLabRunner:
    """A runner whose operator lets jobs ask for a minute."""
    runner = start_runner()
    with (runner.settings.folder / "executor.toml").open("a") as file:
        file.write('[keep]\nmax = "1m"\n')
    return runner


def test_a_failed_job_is_kept_and_holds_nobody_up(start_runner: StartRunner) -> None:
    runner = runner_that_keeps(start_runner)
    record = runner.run(Job(script=["exit 3"], variables=[variable("VIRIDA_KEEP_ON_FAILURE", "12s")]))
    assert record.outcome == ("failed", "script_failure", 3)
    assert KEPT in record.trace
    assert f"shell {record.job.id}" in record.trace
    following = runner.run(Job(script=["echo the next job"]))
    assert following.outcome == ("success", None, None), following.trace
    assert left_of(record.job.id)
    assert wait_until_empty(lambda: left_of(record.job.id), 30) == []


def test_a_job_that_failed_before_its_script_is_kept(start_runner: StartRunner) -> None:
    runner = runner_that_keeps(start_runner)
    wanted = [variable("VIRIDA_KEEP_ON_FAILURE", "5s"), variable("GIT_STRATEGY", "fetch")]
    record = runner.run(Job(script=["true"], git_strategy="fetch", project="virida/none", variables=wanted))
    assert record.state == "failed"
    assert KEPT in record.trace
    assert wait_until_empty(lambda: left_of(record.job.id), 30) == []


def test_a_job_that_may_not_be_kept_is_told_so(start_runner: StartRunner) -> None:
    runner = start_runner()
    record = runner.run(Job(script=["exit 3"], variables=[variable("VIRIDA_KEEP_ON_FAILURE", "30m")]))
    assert record.outcome == ("failed", "script_failure", 3)
    assert "VIRIDA_KEEP_ON_FAILURE is not allowed here" in record.trace
    assert KEPT not in record.trace


def test_a_success_is_not_kept(start_runner: StartRunner) -> None:
    runner = runner_that_keeps(start_runner)
    record = runner.run(Job(script=["true"], variables=[variable("VIRIDA_KEEP_ON_FAILURE", "1m")]))
    assert record.outcome == ("success", None, None)
    runner.assert_nothing_left()
