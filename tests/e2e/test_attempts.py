"""EXECUTOR_JOB_SECTION_ATTEMPTS: a container that somebody removes is made again, and its stage run again."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job, JobRecord, between, marked, variable

if TYPE_CHECKING:
    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner

# Every attempt leaves a line in the project folder, which outlives the containers; the first waits for its end.
SCRIPT = ["echo x >> tries", "[ $(wc -l < tries) -gt 1 ] || { echo waiting; sleep 60; }", marked("wc -l < tries")]


def job(attempts: str, script: list[str]) -> Job:
    """A job with so many attempts, a service and a file of the job's own."""
    return Job(
        script=script,
        after_script=["echo after > made"],
        variables=[variable("EXECUTOR_JOB_SECTION_ATTEMPTS", attempts)],
        artifacts=[{"paths": ["made"]}],
    )


def remove(record: JobRecord, kind: str) -> None:
    """Remove a container of the job as somebody outside would."""
    words = ["docker", "ps", "-q", "--filter", f"name={record.job.id}-.*-{kind}"]
    containers = subprocess.check_output(words, text=True).split()
    assert len(containers) == 1
    subprocess.check_call(["docker", "rm", "-f", *containers], stdout=subprocess.DEVNULL)


def test_a_script_is_run_again_in_a_new_container(runner: GitLabRunner) -> None:
    record = runner.submit(job("2", SCRIPT))
    record.wait_for_output("\nwaiting\n")
    remove(record, "build")
    assert record.wait().outcome == ("success", None, None), record.trace
    assert "attempt 2 of 2" in record.trace
    assert between(record.section("step_script")) == "2\n"
    assert len(record.uploads) == 1


def test_a_helper_is_made_again_with_the_container_in_its_network(runner: GitLabRunner) -> None:
    record = runner.submit(job("3", ["echo waiting", "sleep 3"]))
    record.wait_for_output("\nwaiting\n")
    remove(record, "predefined")
    assert record.wait().outcome == ("success", None, None), record.trace
    assert len(record.uploads) == 1


def test_attempts_come_to_an_end(runner: GitLabRunner) -> None:
    record = runner.submit(job("2", ["echo waiting $(cat /proc/sys/kernel/random/uuid)", "sleep 60"]))
    record.wait_for_output("\nwaiting ")
    remove(record, "build")
    record.wait_for_output("attempt 2 of 2")
    record.wait_for_output("\nwaiting ", 5)
    while record.trace.count("\nwaiting ") < 2:
        assert not record.ended.wait(0.05)
    remove(record, "build")
    assert record.wait().state == "failed"


def test_a_container_that_is_killed_is_no_reason_to_run_a_script_twice(runner: GitLabRunner) -> None:
    record = runner.run(job("2", ["echo x >> tries", "kill -9 1; kill -9 $PPID; exit 3"]))
    assert record.state == "failed"
    assert "attempt 2" not in record.trace


def test_a_number_that_is_none_is_told(runner: GitLabRunner) -> None:
    record = runner.run(job("many", ["echo works"]))
    assert record.outcome == ("success", None, None)
    assert "EXECUTOR_JOB_SECTION_ATTEMPTS is not a number from 1 to 10" in record.trace
