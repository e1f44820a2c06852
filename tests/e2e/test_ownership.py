"""Files of jobs that are not root: open to all users by default, the user's own where the job asks for it."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.jobs import Job, JobRecord, between, marked, unique_number, variable
from tests.e2e.repositories import make_repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner

# An image whose user is not root, and a root image that the job runs as somebody else.
USERS: dict[str, tuple[Any, str]] = {
    "image's": ("virida-executor/test-nonroot", "1000:1000"),
    "job's": ({"name": "debian:12", "executor_opts": {"docker": {"user": "1234:2345"}}}, "1234:2345"),
    "name alone": ({"name": "debian:12", "executor_opts": {"docker": {"user": "games"}}}, "5:60"),
    "root": ("debian:12", "0:0"),
}
OWN = [variable("FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR", "true")]
CLOSED = ["umask 077", "mkdir closed", "echo private > closed/file", "chmod 0600 closed/file", "echo x > plain"]

as_any_user = pytest.mark.parametrize(("image", "owner"), USERS.values(), ids=USERS.keys())


@pytest.fixture
def project() -> str:
    """The path of a project that no other test uses."""
    return f"virida/owned{unique_number()}"


@pytest.fixture(params=["open", "own"])
def variables(request: pytest.FixtureRequest) -> list[dict[str, str | bool]]:
    """With the flag and without it."""
    return [*OWN] if request.param == "own" else []


def modes(record: JobRecord) -> dict[str, str]:
    """Names in the archive of a job, with their permissions."""
    with zipfile.ZipFile(io.BytesIO(record.uploads[0].content)) as archive:
        return {entry.filename: f"{(entry.external_attr >> 16) & 0o777:o}" for entry in archive.infolist()}


@as_any_user
def test_closed_files_are_archived_cached_and_cleaned_up(
    runner: GitLabRunner, repositories: Path, project: str, image: Any, owner: str, variables: list[Any]
) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    cache = [{"key": "deps", "paths": ["closed/"]}]
    job = Job(script=CLOSED, image=image, project=project, sha=sha, git_strategy="fetch", variables=variables)
    job.artifacts, job.cache = [{"paths": ["closed/", "plain"]}], cache
    first = runner.run(job)
    assert first.outcome == ("success", None, None), first.trace
    assert modes(first) == {"closed/": "700", "closed/file": "600", "plain": "600"}
    assert "Created cache" in first.section("archive_cache")
    runner.assert_nothing_left()
    look = [marked("id -u", "cat closed/file"), "echo more >> closed/file"]
    second = runner.run(
        Job(
            script=look,
            image=image,
            project=project,
            sha=sha,
            git_strategy="fetch",
            cache=cache,
            variables=variables,
        )
    )
    assert second.outcome == ("success", None, None), second.trace
    # The folder that `fetch` keeps is without the cached paths, which lie in the store: git need not clean them.
    assert "Removing plain" in second.section("get_sources")
    assert "Removing closed/" not in second.section("get_sources")
    assert between(second.section("step_script")) == f"{owner.partition(':')[0]}\nprivate\n"


@as_any_user
def test_another_user_finds_a_clean_folder(
    runner: GitLabRunner, repositories: Path, project: str, image: Any, owner: str, variables: list[Any]
) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    script = [*CLOSED, "echo changed > README.md"]
    first = Job(script=script, image=image, project=project, sha=sha, git_strategy="fetch", variables=variables)
    assert runner.run(first).outcome == ("success", None, None)
    runner.assert_nothing_left()
    other = {"name": "debian:12", "executor_opts": {"docker": {"user": "4321"}}}
    look = ["cat README.md; echo mine >> README.md; touch new; mkdir closed; ls -A closed"]
    second = Job(script=look, image=other, project=project, sha=sha, git_strategy="fetch", variables=variables)
    record = runner.run(second)
    assert record.outcome == ("success", None, None), record.trace
    assert "Removing closed/" in record.section("get_sources")
    assert record.section("step_script").endswith("\ndemo\n")


@as_any_user
def test_file_variables_are_there_in_every_stage_for_every_user(
    runner: GitLabRunner, repositories: Path, project: str, image: Any, owner: str, variables: list[Any]
) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    record = runner.run(
        Job(
            script=["cat $FILE", "umask 077"],
            after_script=["cat $FILE"],
            hooks={"post_get_sources_script": ["cat $FILE"]},
            image=image,
            project=project,
            sha=sha,
            git_strategy="fetch",
            variables=[*variables, variable("FILE", "content of the file\n", file=True)],
        )
    )
    assert record.outcome == ("success", None, None), record.trace
    for section in ("get_sources", "step_script", "after_script"):
        assert "\ncontent of the file\n" in record.section(section)


@as_any_user
def test_sources_belong_to_the_jobs_user_where_it_asks_for_it(
    runner: GitLabRunner, repositories: Path, project: str, image: Any, owner: str
) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    look = "stat -c '%u:%g %a %n' . README.md .git/HEAD"
    record = runner.run(
        Job(
            script=[marked(look), "touch made", "ls -A /builds"],
            after_script=["rm -rf .git README.md", "touch $CI_PROJECT_DIR.tmp/made"],
            image=image,
            project=project,
            sha=sha,
            git_strategy="fetch",
            variables=OWN,
        )
    )
    assert record.outcome == ("success", None, None), record.trace
    told = between(record.section("step_script"))
    assert told == f"{owner} 755 .\n{owner} 644 README.md\n{owner} 644 .git/HEAD\n"
    assert record.section("step_script").endswith("\nvirida\n")
    assert "denied" not in record.trace


def test_sources_are_open_to_all_users_by_default(runner: GitLabRunner, repositories: Path, project: str) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    look = [marked("stat -c '%u:%g %a %n' . README.md")]
    record = runner.run(Job(script=look, project=project, sha=sha, git_strategy="fetch"))
    assert between(record.section("step_script")) == "0:0 777 .\n0:0 666 README.md\n"


def test_git_takes_sources_of_any_owner(
    runner: GitLabRunner, repositories: Path, project: str, image: Callable[[str], str], variables: list[Any]
) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    with_git = {"name": image("virida-executor/helper"), "executor_opts": {"docker": {"user": "1000"}}}
    script = [marked("git log -1 --format=%H", "echo x >> README.md", "git diff --stat | tail -1")]
    record = runner.run(
        Job(script=script, image=with_git, project=project, sha=sha, git_strategy="fetch", variables=variables)
    )
    assert between(record.section("step_script")) == f"{sha}\n 1 file changed, 1 insertion(+)\n"


def test_a_forged_project_folder_changes_hands_nowhere_else(runner: GitLabRunner) -> None:
    forged = [*OWN, variable("CI_PROJECT_DIR", "/etc")]
    record = runner.run(Job(script=["echo works"], variables=forged))
    assert "FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR has no effect" in record.trace


def test_an_entrypoint_that_is_the_job_runs_once_under_the_flag(runner: GitLabRunner) -> None:
    entrypoint = {"name": "debian:12", "entrypoint": ["/bin/sh", "-c", "echo the job itself", "sh"]}
    record = runner.run(Job(script=["echo never"], image=entrypoint, variables=OWN))
    assert record.trace.count("\nthe job itself\n") == 1
