"""Hooks, further steps, debugging, limits of the log, and the feature flags that a user of the docker executor has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job, between, marked, unique_number, variable
from tests.e2e.repositories import make_repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import StartRunner
    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner

OPERATORS_HOOKS = """
  pre_get_sources_script = "echo operator before sources"
  post_get_sources_script = "echo operator after sources"
  pre_build_script = "echo operator before script; export FROM_HOOK=yes"
  post_build_script = "echo operator after script"
  environment = ["FROM_OPERATOR=value", "CI_JOB_NAME=not this"]
  output_limit = 4
"""


@pytest.fixture
def project() -> str:
    """The path of a project that no other test uses."""
    return f"virida/flags{unique_number()}"


def flag(name: str, value: str = "true") -> Job:
    """A small job under a feature flag."""
    return Job(script=["echo one", marked("echo two", "sh -c 'exit 0'")], variables=[variable(name, value)])


def test_hooks_of_operator_and_job_run_where_they_belong(
    start_runner: StartRunner, repositories: Path, project: str
) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    hooks = {
        "pre_get_sources_script": ["echo job before sources", "command -v gitlab-runner"],
        "post_get_sources_script": ["echo job after sources", "ls"],
    }
    record = start_runner(options=OPERATORS_HOOKS).run(
        Job(
            script=[marked("echo in the script, hook=$FROM_HOOK")],
            after_script=["echo after, hook=[$FROM_HOOK]"],
            hooks=hooks,
            project=project,
            sha=sha,
            git_strategy="clone",
        )
    )
    assert record.outcome == ("success", None, None), record.trace
    sources = record.section("get_sources").splitlines()
    told = ["operator before sources", "job before sources", "job after sources", "operator after sources"]
    assert [line for line in sources if line in told] == told
    assert sources.index("job before sources") < sources.index("Skipping Git submodules setup")
    assert {"/usr/local/bin/gitlab-runner", "README.md"} <= set(sources)
    script = record.section("step_script")
    assert script.index("\noperator before script\n") < script.index("in the script, hook=yes")
    assert script.index("in the script, hook=yes") < script.index("\noperator after script\n")
    assert "\nafter, hook=[]\n" in record.section("after_script")


def test_a_hook_that_fails_ends_the_job_with_its_code(runner: GitLabRunner, repositories: Path, project: str) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    hooks = {"pre_get_sources_script": ["exit 7"]}
    record = runner.run(Job(script=["echo never"], hooks=hooks, project=project, sha=sha, git_strategy="fetch"))
    assert record.outcome == ("failed", "script_failure", 7)
    assert "\nnever\n" not in record.trace


def test_the_operators_environment_reaches_the_script(start_runner: StartRunner) -> None:
    script = [marked("echo $FROM_OPERATOR $CI_JOB_NAME")]
    record = start_runner(options=OPERATORS_HOOKS).run(Job(script=script))
    assert between(record.section("step_script")) == "value unit\n"


def test_a_log_over_its_limit_is_cut_and_the_job_goes_on(start_runner: StartRunner) -> None:
    script = ["seq 1 20000", "echo after the limit > made"]
    record = start_runner(options=OPERATORS_HOOKS).run(
        Job(script=script, artifacts=[{"paths": ["made"]}]),
    )
    assert record.outcome == ("success", None, None)
    assert "Job's log exceeded limit of 4096 bytes" in record.trace
    assert "\n20000\n" not in record.trace
    assert len(record.uploads) == 1


def test_a_further_step_runs_in_the_build_container_after_the_script(runner: GitLabRunner) -> None:
    record = runner.run(
        Job(script=["echo kept > made", "touch /only-here"], extra_steps={"release": ["cat made", "ls /only-here"]})
    )
    assert record.outcome == ("success", None, None), record.trace
    assert "\nkept\n" in record.section("step_release")
    assert "\n/only-here\n" in record.section("step_release")


def test_a_further_step_that_fails_fails_the_job(runner: GitLabRunner) -> None:
    record = runner.run(
        Job(script=["echo made"], extra_steps={"Weird Name/x": ["exit 5"]}, after_script=["echo after"])
    )
    assert record.outcome == ("failed", "script_failure", 5)
    assert "\nafter\n" in record.section("after_script")


def test_debugging_traces_every_stage(runner: GitLabRunner) -> None:
    traced = [variable("CI_DEBUG_TRACE", "true"), variable("SECRET", "sup3r-s3cret-value", masked=True)]
    record = runner.run(Job(script=["echo traced"], variables=traced))
    assert record.outcome == ("success", None, None)
    assert "+ echo traced" in record.section("step_script")
    assert "+ export CI_JOB_NAME=unit" in record.section("get_sources")
    assert "sup3r-s3cret-value" not in record.trace


def test_an_operator_forbids_debugging(start_runner: StartRunner) -> None:
    record = start_runner(options="debug_trace_disabled = true").run(
        Job(script=["echo traced"], variables=[variable("CI_DEBUG_TRACE", "true")])
    )
    assert record.outcome == ("success", None, None)
    assert "+ echo traced" not in record.trace


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FF_USE_NEW_BASH_EVAL_STRATEGY", "true"),
        ("FF_ENABLE_BASH_EXIT_CODE_CHECK", "true"),
        ("FF_SCRIPT_SECTIONS", "true"),
        ("FF_NETWORK_PER_BUILD", "true"),
        ("FF_USE_INIT_WITH_DOCKER_EXECUTOR", "true"),
        ("FF_SKIP_NOOP_BUILD_STAGES", "false"),
        ("FF_ENABLE_JOB_CLEANUP", "true"),
        ("FF_HASH_CACHE_KEYS", "true"),
        ("FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR", "true"),
        ("FF_TIMESTAMPS", "true"),
    ],
)
def test_a_job_under_a_flag(runner: GitLabRunner, name: str, value: str) -> None:
    record = runner.run(flag(name, value))
    assert record.outcome == ("success", None, None), record.trace
    assert "two" in record.trace.split("<<<")[1].split(">>>")[0]


def test_the_exact_code_of_a_command_with_the_new_way_to_evaluate(runner: GitLabRunner) -> None:
    job = Job(script=["sh -c 'exit 7'"], variables=[variable("FF_USE_NEW_BASH_EVAL_STRATEGY", "true")])
    assert runner.run(job).outcome == ("failed", "script_failure", 7)


def test_a_failure_in_the_middle_of_a_line_with_the_check_of_exit_codes(runner: GitLabRunner) -> None:
    job = Job(script=["set +e; false", "echo never"], variables=[variable("FF_ENABLE_BASH_EXIT_CODE_CHECK", "true")])
    record = runner.run(job)
    assert record.state == "failed"
    assert "\nnever\n" not in record.trace


def test_commands_of_several_lines_are_sections(runner: GitLabRunner) -> None:
    job = Job(script=["echo one\necho two"], variables=[variable("FF_SCRIPT_SECTIONS", "true")])
    record = runner.run(job)
    assert record.outcome == ("success", None, None), record.trace
    assert "section_script_step_0[" in record.section("step_script")
    assert record.section("step_script").endswith("\none\ntwo\n")


def test_init_reaps_what_scripts_orphan(runner: GitLabRunner) -> None:
    job = Job(script=[marked("cat /proc/1/comm")], variables=[variable("FF_USE_INIT_WITH_DOCKER_EXECUTOR", "true")])
    assert "init" in between(runner.run(job).section("step_script"))


def test_stages_without_work_are_called_where_the_job_asks(runner: GitLabRunner) -> None:
    record = runner.run(flag("FF_SKIP_NOOP_BUILD_STAGES", "false"))
    assert {
        name for name in ("restore_cache", "after_script", "archive_cache") if record.trace.count(f":{name}\n")
    } == {
        "restore_cache",
        "after_script",
        "archive_cache",
    }


def test_a_job_that_cleans_up_leaves_no_sources_to_the_next(
    runner: GitLabRunner, repositories: Path, project: str
) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    runner.run(
        Job(
            script=["echo left > over"],
            project=project,
            sha=sha,
            git_strategy="fetch",
            variables=[variable("FF_ENABLE_JOB_CLEANUP", "true")],
        )
    )
    record = runner.run(Job(script=["ls -A"], project=project, sha=sha, git_strategy="fetch"))
    assert record.outcome == ("success", None, None), record.trace
    assert "Removing over" not in record.section("get_sources")


def test_hashed_keys_of_caches_are_found_again(runner: GitLabRunner, project: str) -> None:
    hashed = [variable("FF_HASH_CACHE_KEYS", "true")]
    cache = [{"key": "a/../b c", "paths": ["vendor/"]}]
    runner.run(Job(script=["mkdir vendor; echo data > vendor/lib"], project=project, cache=cache, variables=hashed))
    record = runner.run(Job(script=["cat vendor/lib"], project=project, cache=cache, variables=hashed))
    assert record.outcome == ("success", None, None), record.trace
    assert "\ndata\n" in record.section("step_script")


def test_an_image_with_dash_alone_is_told_in_words(runner: GitLabRunner, image: Callable[[str], str]) -> None:
    record = runner.run(Job(script=["echo works"], image=image("virida-executor/test-dash")))
    assert record.outcome == ("failed", "script_failure", 2), record.trace
    assert "NO BASH: the image's only shell cannot read the scripts" in record.trace


def test_an_exit_code_like_that_of_dash_is_not_mistaken_for_it(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=["exit 2"]))
    assert record.outcome == ("failed", "script_failure", 2)
    assert "NO BASH" not in record.trace
