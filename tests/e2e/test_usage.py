"""What people read of a job's use, through a real runner: a closed section at the end, a verdict where it failed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job, variable

if TYPE_CHECKING:
    from tests.e2e.conftest import StartRunner
    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner

# Marks as GitLab wants them, with the title on their line, each end on its own.
SECTION = re.compile(
    r"\x1b\[0Ksection_start:\d+:resource_usage\[collapsed=true,hide_duration=true\]\r\x1b\[0K"
    r"(Resource usage: [^\n]*)\r?\n(.*?)\x1b\[0Ksection_end:\d+:resource_usage\r\x1b\[0K",
    re.DOTALL,
)
TOO_MUCH = "head -c 300m /dev/zero | tail > /dev/null"
ENDS = 'trap "exit 1" TERM; for i in $(seq 400); do echo tick $i; sleep 0.3; done'


def section_of(raw: bytes) -> tuple[str, str]:
    """Title and text of the one section."""
    found = SECTION.findall(raw.decode())
    assert len(found) == 1, raw.decode()
    title, text = found[0]
    return title, text


def test_a_job_ends_with_a_closed_section_of_what_it_used(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=["for i in $(seq 200000); do :; done; echo done"], after_script=["true"]))
    assert record.outcome == ("success", None, None), record.trace
    title, text = section_of(bytes(record.raw_trace))
    assert re.match(r"Resource usage: peak memory \S+ \S+, CPU \S+ cores$", title), title
    assert re.search(r"^build +\S+ s ", text, re.MULTILINE), text
    assert re.search(r"^helper +\S+ s ", text, re.MULTILINE), text
    assert "script " in text
    assert not re.search("ERROR|WARNING", text)
    assert max(map(len, text.splitlines())) <= 100


def test_a_kill_for_memory_is_told_right_where_the_script_failed(start_runner: StartRunner) -> None:
    runner = start_runner(docker_options='    memory = "64m"')
    record = runner.run(Job(script=[TOO_MUCH], after_script=["echo after"]))
    assert record.outcome[:2] == ("failed", "script_failure")
    script = record.section("step_script")
    assert re.search(r"OUT OF MEMORY: the kernel killed (`tail`|a process) in the build container", script), script
    assert "limit 64 MiB, peak 64 MiB" in script
    assert record.trace.index("OUT OF MEMORY") < record.trace.index("\nafter\n")
    assert "1 OOM kill" in section_of(bytes(record.raw_trace))[0]


def test_a_kill_that_the_job_got_over_is_a_warning(start_runner: StartRunner) -> None:
    runner = start_runner(docker_options='    memory = "64m"')
    record = runner.run(Job(script=[f"{TOO_MUCH} || true"]))
    assert record.outcome == ("success", None, None), record.trace
    assert "WARNING: The kernel killed" in record.section("step_script")


def test_a_job_that_asks_for_memory_itself_hears_what_to_ask_for(start_runner: StartRunner) -> None:
    runner = start_runner(docker_options='    memory = "1g"')
    record = runner.run(Job(script=[TOO_MUCH], variables=[variable("JOB_MEMORY", "128m")]))
    assert record.outcome[:2] == ("failed", "script_failure")
    assert "limit 128 MiB, peak 128 MiB, asked by JOB_MEMORY" in record.trace
    assert re.search(r"Set JOB_MEMORY to \d+Mi", record.trace), record.trace


def test_a_job_out_of_time_hears_what_took_it(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=[ENDS], timeout=8))
    assert record.outcome[1] == "job_execution_timeout"
    assert "TIME LIMIT: the job's 8.0 s were over in build_script" in record.trace, record.trace


def test_a_canceled_job_hears_where_it_was(runner: GitLabRunner) -> None:
    record = runner.submit(Job(script=[ENDS]))
    record.wait_for_output("\ntick 3\n")
    record.status = "canceling"
    record.wait()
    assert record.outcome[:2] == ("failed", "job_canceled")
    assert "CANCELED in build_script, which had run for" in record.trace, record.trace
    section_of(bytes(record.raw_trace))


def test_a_runtime_that_hit_its_own_heap_limit_is_told_so(runner: GitLabRunner) -> None:
    words = "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"
    record = runner.run(Job(script=[f"echo '{words}' >&2; exit 134"]))
    assert record.outcome == ("failed", "script_failure", 134)
    assert "HEAP LIMIT: Node.js ran out of the heap that it allows itself." in record.section("step_script")
    assert "NODE_OPTIONS" in record.section("step_script")


def test_a_script_that_simply_fails_hears_nothing_of_all_that(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=["exit 3"]))
    assert record.outcome == ("failed", "script_failure", 3)
    assert not re.search("MEMORY|KILLED|LIMIT|FULL|CANCELED", record.section("step_script"))
    section_of(bytes(record.raw_trace))
