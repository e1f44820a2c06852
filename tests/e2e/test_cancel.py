"""Cancels and timeouts: what still runs, what GitLab is told, and how soon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job, JobRecord, variable

if TYPE_CHECKING:
    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner

_TICKING = "for i in $(seq 200); do echo tick $i; sleep 0.3; done"
_STATUS = ["echo status=$CI_JOB_STATUS"]


def _seconds_to_end(record: JobRecord) -> float:
    began = time.monotonic()
    record.wait(60)
    return time.monotonic() - began


def test_a_graceful_cancel_lets_after_script_run(runner: GitLabRunner) -> None:
    artifacts = [{"paths": ["out/"], "when": "always"}]
    job = Job(script=["mkdir out; echo a > out/a", _TICKING], after_script=_STATUS, artifacts=artifacts)
    record = runner.submit(job)
    record.wait_for_output("\ntick 3\n")
    record.status = "canceling"
    assert _seconds_to_end(record) < 15
    assert record.outcome[:2] == ("failed", "job_canceled")
    assert "status=canceled" in record.section("after_script")
    assert len(record.uploads) == 1


def test_a_script_that_handles_the_signal_gets_its_say(runner: GitLabRunner) -> None:
    script = f"bash -c 'trap \"sleep 1; echo putting things away; exit 1\" TERM; {_TICKING}'"
    record = runner.submit(Job(script=[script], after_script=_STATUS))
    record.wait_for_output("\ntick 3\n")
    record.status = "canceling"
    record.wait()
    assert "\nputting things away\n" in record.section("step_script")
    assert "status=canceled" in record.section("after_script")


def test_a_script_that_ignores_the_signal_is_ended_all_the_same(runner: GitLabRunner) -> None:
    record = runner.submit(Job(script=[f"trap '' TERM; {_TICKING}"], after_script=_STATUS))
    record.wait_for_output("\ntick 3\n")
    record.status = "canceling"
    assert _seconds_to_end(record) < 25
    assert record.outcome[:2] == ("failed", "job_canceled")
    assert "status=canceled" in record.section("after_script")


def test_nothing_of_a_canceled_script_runs_on_beside_after_script(runner: GitLabRunner) -> None:
    script = f"(setsid bash -c 'while true; do date +%s%N > beat; sleep 0.1; done' &) ; {_TICKING}"
    check = ["one=$(cat beat); sleep 1; two=$(cat beat)", 'test "$one" = "$two" && echo still']
    record = runner.submit(Job(script=[script], after_script=check))
    record.wait_for_output("\ntick 3\n")
    record.status = "canceling"
    record.wait()
    assert "\nstill\n" in record.section("after_script")


def test_a_hard_cancel_ends_at_once_without_after_script(runner: GitLabRunner) -> None:
    record = runner.submit(Job(script=[_TICKING], after_script=_STATUS))
    record.wait_for_output("\ntick 3\n")
    record.status = "canceled"
    assert _seconds_to_end(record) < 15
    assert "status=" not in record.trace


def test_a_cancel_while_services_start_ends_the_job(runner: GitLabRunner) -> None:
    closed = {"name": "debian:12", "alias": "closed", "command": ["sleep", "60"]}
    job = Job(script=["echo never"], services=[closed], variables=[variable("HEALTHCHECK_TCP_PORT", "1")])
    record = runner.submit(job)
    assert record.picked.wait(30)
    time.sleep(1.5)
    record.status = "canceling"
    assert _seconds_to_end(record) < 45
    assert "\nnever\n" not in record.trace


def test_the_job_timeout_ends_everything(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=[_TICKING], after_script=_STATUS, timeout=6))
    assert record.outcome[:2] == ("failed", "job_execution_timeout")
    assert "\ntick 3\n" in record.trace
    assert "status=" not in record.trace


def test_the_script_timeout_ends_the_script_alone(runner: GitLabRunner) -> None:
    limit = variable("RUNNER_SCRIPT_TIMEOUT", "3s")
    record = runner.run(Job(script=[_TICKING], after_script=_STATUS, variables=[limit]))
    assert record.outcome[:2] == ("failed", "job_execution_timeout")
    assert "status=timedout" in record.section("after_script")


def test_an_after_script_over_its_timeout_does_not_fail_the_job(runner: GitLabRunner) -> None:
    limit = variable("RUNNER_AFTER_SCRIPT_TIMEOUT", "2s")
    record = runner.run(Job(script=["echo done"], after_script=[_TICKING], variables=[limit]), seconds=40)
    assert record.outcome == ("success", None, None)
