"""Sources: clone, fetch into a folder that is there already, submodules, and what happens when they cannot be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job, unique_number, variable
from tests.e2e.repositories import add_commit, make_repository

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner


@pytest.fixture
def project() -> str:
    """The path of a project that no other test uses."""
    return f"virida/demo{unique_number()}"


def test_clone_checks_the_commit_out(runner: GitLabRunner, repositories: Path, project: str) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    record = runner.run(Job(script=["cat README.md", "echo in $PWD"], project=project, sha=sha, git_strategy="clone"))
    assert record.outcome == ("success", None, None)
    assert "\ndemo\n" in record.section("step_script")
    assert f"in /builds/{project}\n" in record.section("step_script")


def test_fetch_finds_the_folder_of_the_job_before(runner: GitLabRunner, repositories: Path, project: str) -> None:
    first = make_repository(repositories, project, {"README.md": "one\n"})
    runner.run(Job(script=["touch left-over"], project=project, sha=first, git_strategy="fetch"))
    second = add_commit(repositories, project, {"README.md": "two\n"})
    record = runner.run(Job(script=["cat README.md", "ls"], project=project, sha=second, git_strategy="fetch"))
    assert record.outcome == ("success", None, None)
    assert "Reinitialized existing Git repository" in record.section("get_sources")
    assert "Removing left-over" in record.section("get_sources")
    assert "\ntwo\n" in record.section("step_script")
    assert "\nleft-over\n" not in record.section("step_script")


def test_clone_starts_anew_in_the_folder_of_the_job_before(
    runner: GitLabRunner, repositories: Path, project: str
) -> None:
    sha = make_repository(repositories, project, {"README.md": "one\n"})
    runner.run(Job(script=["touch left-over"], project=project, sha=sha, git_strategy="fetch"))
    record = runner.run(Job(script=["ls -A"], project=project, sha=sha, git_strategy="clone"))
    assert "\nleft-over\n" not in record.section("step_script")
    assert "Reinitialized" not in record.section("get_sources")


def test_a_folder_holds_no_token_of_the_job_before(runner: GitLabRunner, repositories: Path, project: str) -> None:
    sha = make_repository(repositories, project, {"README.md": "one\n"})
    first = runner.run(Job(script=["exit 1"], project=project, sha=sha, git_strategy="fetch"))
    look = "grep -rl 'glcbt-64_[0-9]' /builds --exclude-dir=proc | grep -v gitlab_runner_env || echo clean"
    record = runner.run(Job(script=[look], project=project, git_strategy="none"))
    assert first.state == "failed"
    assert "\nclean\n" in record.section("step_script")


def test_a_job_that_ended_by_its_timeout_leaves_no_token(
    runner: GitLabRunner, repositories: Path, project: str
) -> None:
    sha = make_repository(repositories, project, {"README.md": "one\n"})
    first = runner.run(Job(script=["sleep 60"], project=project, sha=sha, git_strategy="fetch", timeout=4))
    assert first.failure_reason == "job_execution_timeout"
    look = f"grep -rl '{first.job.token[:20]}' /builds || echo clean"
    record = runner.run(Job(script=[look], project=project, git_strategy="none"))
    assert "\nclean\n" in record.section("step_script")


def test_submodules_come_with_the_sources(runner: GitLabRunner, repositories: Path, project: str) -> None:
    make_repository(repositories, f"{project}-lib", {"lib.txt": "lib\n"})
    sha = make_repository(repositories, project, {"README.md": "demo\n"}, {"lib": f"{project}-lib"})
    record = runner.run(
        Job(
            script=["cat lib/lib.txt"],
            project=project,
            sha=sha,
            git_strategy="clone",
            variables=[variable("GIT_SUBMODULE_STRATEGY", "recursive")],
        )
    )
    assert record.outcome == ("success", None, None)
    assert "\nlib\n" in record.section("step_script")


def test_a_repository_that_is_not_there_fails_the_job(runner: GitLabRunner, project: str) -> None:
    record = runner.run(
        Job(script=["echo never"], after_script=["echo never"], project=project, sha="1" * 40, git_strategy="clone")
    )
    assert record.outcome == ("failed", "script_failure", 1)
    assert "\nnever\n" not in record.trace


def test_a_commit_that_is_not_there_fails_the_job(runner: GitLabRunner, repositories: Path, project: str) -> None:
    make_repository(repositories, project, {"README.md": "demo\n"})
    record = runner.run(Job(script=["echo never"], project=project, sha="1" * 40, git_strategy="fetch"))
    assert record.outcome == ("failed", "script_failure", 1)


def test_an_image_without_git_gets_its_sources(runner: GitLabRunner, repositories: Path, project: str) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    script = ["command -v git || echo no git here", "cat README.md"]
    record = runner.run(Job(script=script, project=project, sha=sha, git_strategy="clone"))
    assert record.outcome == ("success", None, None)
    assert "\nno git here\n" in record.section("step_script")
    assert "\ndemo\n" in record.section("step_script")
