"""Variables of every kind: their values in the script, and their secrecy in the log and on the host."""

from __future__ import annotations

import hashlib
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job, Variable, between, marked, variable

if TYPE_CHECKING:
    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner

_SPECIAL = "'\"`$(id);|&<>*?[]{}~#! \t\\ \\n é 漢 😀 end"

_VALUES = {
    "plain": (variable("V", "value"), "value"),
    "expanded": (variable("V", "$CI_JOB_NAME and ${CI_JOB_STAGE}"), "unit and test"),
    "raw": (variable("V", "$CI_JOB_NAME and $$HOME", raw=True), "$CI_JOB_NAME and $$HOME"),
    "special characters": (variable("V", _SPECIAL, raw=True), _SPECIAL),
    "several lines": (variable("V", "first\nsecond\n\nfourth"), "first\nsecond\n\nfourth"),
    "spaces at the ends": (variable("V", "  both  "), "  both  "),
    "empty": (variable("V", ""), ""),
    "60 kilobytes": (variable("V", "x" * 60_000), "x" * 60_000),
}


@pytest.mark.parametrize(("given", "value"), _VALUES.values(), ids=_VALUES.keys())
def test_a_value_arrives_as_it_was_given(runner: GitLabRunner, given: Variable, value: str) -> None:
    record = runner.run(Job(script=[marked('printf "%s" "$V" | sha256sum')], variables=[given]))
    assert between(record.section("step_script")).split()[0] == hashlib.sha256(value.encode()).hexdigest()


def test_a_file_variable_is_a_path_whose_file_holds_the_value(runner: GitLabRunner) -> None:
    variables = [
        variable("FILE", "line 1\nline 2 'q' $CI\n", file=True, raw=True),
        variable("OPTION", "--config=$FILE"),
    ]
    record = runner.run(Job(script=[marked('cat "$FILE"', 'echo "$OPTION"')], variables=variables))
    content, option = between(record.section("step_script")).split("--config=")
    assert content == "line 1\nline 2 'q' $CI\n"
    assert option.strip().endswith("/FILE")


def test_a_masked_value_is_hidden_in_the_log_however_it_is_written(runner: GitLabRunner) -> None:
    secret = "sup3r-s3cret-value"
    script = [
        "echo plain=$SECRET",
        "printf %s ${SECRET:0:9}; sleep 0.3; echo ${SECRET:9}",
        "echo error=$SECRET >&2",
        'test "$SECRET" = sup3r-"s3cret-value" && echo known',
    ]
    record = runner.run(Job(script=script, variables=[variable("SECRET", secret, masked=True)]))
    assert record.outcome == ("success", None, None)
    assert "\nknown\n" in record.trace
    assert "plain=[MASKED]" in record.trace
    assert secret not in record.trace


def test_no_secret_is_in_what_docker_tells_about_containers(runner: GitLabRunner) -> None:
    job = Job(script=["echo started", "sleep 3"], variables=[variable("SECRET", "sup3r-s3cret-value", masked=True)])
    record = runner.submit(job)
    record.wait_for_output("\nstarted\n")
    listed = subprocess.check_output(["docker", "ps", "-aq", "--no-trunc"], text=True).split()
    told = subprocess.run(["docker", "inspect", *listed], capture_output=True, text=True).stdout
    mine = [text for text in map(json.dumps, json.loads(told)) if str(job.id) in text]
    assert len(mine) >= 2
    assert not [text for text in mine if "sup3r-s3cret-value" in text or job.token in text]
    assert record.wait().state == "success"


def test_no_secret_is_in_the_state_of_a_job_for_others_to_read(runner: GitLabRunner) -> None:
    job = Job(script=["echo started", "sleep 3"], variables=[variable("SECRET", "sup3r-s3cret-value", masked=True)])
    record = runner.submit(job)
    record.wait_for_output("\nstarted\n")
    jobs = runner.settings.state_dir / "jobs"
    holding = [path for path in jobs.rglob("*") if path.is_file() and b"sup3r-s3cret-value" in path.read_bytes()]
    assert jobs.stat().st_mode & 0o077 == 0
    assert all(folder.stat().st_mode & 0o077 == 0 for folder in jobs.iterdir())
    assert record.wait().state == "success"
    assert not any(path.exists() for path in holding)


def test_a_forged_job_number_changes_nothing_on_the_host(runner: GitLabRunner) -> None:
    forged = [variable("CI_JOB_ID", "../../../forged"), variable("CI_PROJECT_PATH", "../../forged")]
    record = runner.run(Job(script=["echo $CI_JOB_ID"], variables=forged))
    assert record.outcome == ("success", None, None)
    assert not list(runner.settings.folder.rglob("*forged*"))


def test_the_environment_is_told_to_be_disposable(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=[marked("echo $CI_DISPOSABLE_ENVIRONMENT")]))
    assert between(record.section("step_script")) == "true\n"


def test_a_script_may_know_the_name_of_its_network(runner: GitLabRunner) -> None:
    flag = variable("FF_NETWORK_PER_BUILD", "true")
    record = runner.run(Job(script=[marked("echo $CI_BUILD_NETWORK_NAME")], variables=[flag]))
    assert between(record.section("step_script")).startswith(f"runner-{runner.settings.short_token}-")
