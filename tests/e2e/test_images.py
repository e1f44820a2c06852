"""Images of every kind: without git, not root, with an entrypoint, with another shell or none, missing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job, between, marked, unique_number, variable
from tests.e2e.repositories import make_repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.coordinator import Coordinator
    from tests.e2e.runner import GitLabRunner

    ImageCheck = Callable[[str], str]

pytestmark = pytest.mark.runner


def test_a_job_that_is_not_root_writes_and_its_artifacts_are_found(
    runner: GitLabRunner, repositories: Path, image: ImageCheck
) -> None:
    project = f"virida/demo{unique_number()}"
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    record = runner.run(
        Job(
            script=["id -u", "echo changed >> README.md", "mkdir out && umask 077 && echo made > out/private"],
            after_script=["cat out/private"],
            image=image("virida-executor/test-nonroot"),
            project=project,
            sha=sha,
            git_strategy="fetch",
            artifacts=[{"paths": ["out/"]}],
        )
    )
    assert record.outcome == ("success", None, None), record.trace
    assert "\n1000\n" in record.section("step_script")
    assert "\nmade\n" in record.section("after_script")
    assert len(record.uploads) == 1
    again = runner.run(Job(script=["cat README.md"], project=project, sha=sha, git_strategy="fetch"))
    assert again.outcome == ("success", None, None), again.trace
    assert "\ndemo\n" in again.section("step_script")


def test_git_accepts_the_sources_of_a_job_that_is_not_root(
    runner: GitLabRunner, repositories: Path, image: ImageCheck
) -> None:
    project = f"virida/demo{unique_number()}"
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    with_git = image("virida-executor/helper")
    record = runner.run(
        Job(
            script=["id -u", marked("git status --short", "git log -1 --format=%H")],
            image={"name": with_git, "executor_opts": {"docker": {"user": "1000"}}},
            project=project,
            sha=sha,
            git_strategy="fetch",
        )
    )
    assert record.outcome == ("success", None, None), record.trace
    assert "\n1000\n" in record.section("step_script")
    assert between(record.section("step_script")) == f"{sha}\n"


def test_a_user_of_the_jobs_choice_reads_file_variables_and_writes(runner: GitLabRunner) -> None:
    record = runner.run(
        Job(
            script=["id -u", 'cat "$FILE"', "echo made > made && cat made"],
            image={"name": "debian:12", "executor_opts": {"docker": {"user": "1234:1234"}}},
            variables=[variable("FILE", "content of the file\n", file=True)],
        )
    )
    assert record.outcome == ("success", None, None), record.trace
    assert record.section("step_script").split("\n1234\n")[1].count("content of the file") == 1
    assert record.section("step_script").endswith("\nmade\n")


def test_an_entrypoint_starts_in_the_folder_of_its_image(runner: GitLabRunner, image: ImageCheck) -> None:
    relative = {"name": image("virida-executor/test-entrypoint"), "entrypoint": ["usr/bin/env", "FROM_JOB=yes"]}
    record = runner.run(Job(script=["echo job=$FROM_JOB in $PWD"], image=relative))
    assert record.outcome == ("success", None, None), record.trace
    assert f"job=yes in /builds/virida/p{record.job.id}\n" in record.section("step_script")


def test_an_entrypoint_wraps_the_scripts(runner: GitLabRunner, image: ImageCheck) -> None:
    record = runner.run(
        Job(
            script=["echo entrypoint=$FROM_ENTRYPOINT"],
            after_script=["echo entrypoint=$FROM_ENTRYPOINT"],
            image=image("virida-executor/test-entrypoint"),
        )
    )
    assert record.outcome == ("success", None, None), record.trace
    assert "\nentrypoint=yes\n" in record.section("step_script")
    assert "\nentrypoint=yes\n" in record.section("after_script")


def test_a_job_replaces_the_entrypoint(runner: GitLabRunner, image: ImageCheck) -> None:
    replaced = {"name": image("virida-executor/test-entrypoint"), "entrypoint": [""]}
    record = runner.run(Job(script=["echo entrypoint=[$FROM_ENTRYPOINT]"], image=replaced))
    assert record.outcome == ("success", None, None), record.trace
    assert "\nentrypoint=[]\n" in record.section("step_script")


def test_an_entrypoint_that_is_a_shell_works(runner: GitLabRunner) -> None:
    wrapped = {"name": "debian:12", "entrypoint": ["/bin/sh", "-c"]}
    record = runner.run(Job(script=["echo works"], image=wrapped))
    assert record.outcome == ("success", None, None), record.trace
    assert "\nworks\n" in record.section("step_script")


def test_an_entrypoint_that_fails_fails_the_job(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=["echo never"], image={"name": "debian:12", "entrypoint": ["/bin/false"]}))
    assert record.outcome == ("failed", "script_failure", 1)
    assert "\nnever\n" not in record.trace


@pytest.mark.parametrize("name", ["debian:12", "virida-executor/test-busybox"])
def test_an_entrypoint_that_is_not_there_is_told(runner: GitLabRunner, image: ImageCheck, name: str) -> None:
    began = time.monotonic()
    record = runner.run(Job(script=["echo never"], image={"name": image(name), "entrypoint": ["/no/such", "program"]}))
    assert record.outcome == ("failed", "runner_system_failure", None), record.trace
    assert "NO ENTRYPOINT: the image cannot run '/no/such'." in record.section("step_script")
    assert record.trace.count("NO ENTRYPOINT") == 1
    assert time.monotonic() - began < 10


def test_the_environment_of_the_image_is_there(runner: GitLabRunner, image: ImageCheck) -> None:
    record = runner.run(Job(script=["echo path=$PATH", "pwd"], image=image("virida-executor/test-busybox-dir")))
    assert record.outcome == ("success", None, None), record.trace
    assert "\npath=/usr/local/bin:/busybox\n" in record.section("step_script")
    assert f"/builds/virida/p{record.job.id}" in record.section("step_script")


def test_busybox_is_enough_of_a_shell(runner: GitLabRunner, image: ImageCheck) -> None:
    record = runner.run(Job(script=["echo it\\'s ash", "exit 42"], image=image("virida-executor/test-busybox")))
    assert record.outcome == ("failed", "script_failure", 42), record.trace
    assert "\nit's ash\n" in record.section("step_script")


def test_a_job_without_an_image_gets_the_default(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=["cat /etc/debian_version", "echo image=[$CI_JOB_IMAGE]"], image=""))
    assert record.outcome == ("success", None, None)
    assert "\n12." in record.section("step_script")


def test_a_missing_image_is_the_jobs_fault_and_tried_once(runner: GitLabRunner, coordinator: Coordinator) -> None:
    record = runner.run(Job(script=["echo never"], image=f"{coordinator.registry}/virida/missing:1"))
    assert record.outcome[:2] == ("failed", "script_failure"), record.trace
    assert "virida/missing:1" in record.trace
    assert "Will be retried" not in record.trace


def test_an_image_name_that_is_none_is_the_jobs_fault(runner: GitLabRunner) -> None:
    record = runner.run(Job(script=["echo never"], image="Not A Name:::"))
    assert record.outcome[:2] == ("failed", "script_failure"), record.trace
    assert "Not A Name" in record.trace
    assert "Will be retried" not in record.trace


def test_an_image_without_a_shell_says_so(runner: GitLabRunner, image: ImageCheck) -> None:
    record = runner.run(Job(script=["echo never"], image=image("virida-executor/test-noshell")))
    assert record.outcome[:2] == ("failed", "script_failure"), record.trace
    assert "virida-executor/test-noshell" in record.trace
    assert "shell" in record.trace.lower().replace("test-noshell", "")
    assert "Will be retried" not in record.trace


def test_an_image_that_is_here_for_another_platform_is_taken_with_a_warning(runner: GitLabRunner) -> None:
    other = {"name": "debian:12", "executor_opts": {"docker": {"platform": "linux/s390x"}}}
    record = runner.run(Job(script=["echo in"], image=other))
    assert record.outcome == ("success", None, None), record.trace
    assert "asked for linux/s390x" in record.trace
