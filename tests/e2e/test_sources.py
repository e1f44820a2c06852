"""Sources: clone, fetch into a folder that is there already, submodules, and what happens when they cannot be had."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job, between, marked, unique_number, variable
from tests.e2e.repositories import add_commit, git, make_repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import StartRunner
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


@pytest.mark.parametrize(("strategy", "nested"), [("normal", "nothing"), ("recursive", "deep.txt")])
@pytest.mark.parametrize("git_strategy", ["clone", "fetch"])
def test_submodules_of_submodules_come_where_they_are_wanted(
    runner: GitLabRunner, repositories: Path, project: str, strategy: str, nested: str, git_strategy: str
) -> None:
    make_repository(repositories, f"{project}-deep", {"deep.txt": "deep\n"})
    make_repository(repositories, f"{project}-lib", {"lib.txt": "lib\n"}, {"deep": f"{project}-deep"})
    sha = make_repository(repositories, project, {"README.md": "demo\n"}, {"lib": f"{project}-lib"})
    wanted = [variable("GIT_SUBMODULE_STRATEGY", strategy)]
    for _ in range(2):
        record = runner.run(
            Job(
                script=[marked("cat lib/lib.txt", "ls lib/deep | grep . || echo nothing"), "touch lib/left-over"],
                project=project,
                sha=sha,
                git_strategy=git_strategy,
                variables=wanted,
            )
        )
        assert record.outcome == ("success", None, None), record.trace
        assert between(record.section("step_script")) == f"lib\n{nested}\n"
        runner.assert_nothing_left()
    assert ("Removing left-over" in record.section("get_sources")) == (git_strategy == "fetch")


def test_large_files_come_with_the_sources(
    start_runner: StartRunner, repositories: Path, project: str, tmp_path: Path
) -> None:
    store, content = make_large_file_store(tmp_path / "large.git"), b"large\n"
    digest = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n"
    attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
    files = {"a.bin": pointer, ".gitattributes": attributes, ".lfsconfig": "[lfs]\n  url = file:///large.git\n"}
    sha = make_repository(repositories, project, files)
    held = store / "lfs/objects" / digest[:2] / digest[2:4]
    held.mkdir(parents=True)
    (held / digest).write_bytes(content)
    runner = start_runner(docker_options=f'    volumes = ["{store}:/large.git"]')
    record = runner.run(Job(script=[marked("cat a.bin")], project=project, sha=sha, git_strategy="fetch"))
    assert record.outcome == ("success", None, None), record.trace
    assert between(record.section("step_script")) == "large\n"
    skipping = Job(script=[marked("head -1 a.bin")], project=project, sha=sha, git_strategy="clone")
    skipping.variables = [variable("GIT_LFS_SKIP_SMUDGE", "1")]
    assert between(runner.run(skipping).section("step_script")).startswith("version https://git-lfs")


def make_large_file_store(folder: Path) -> Path:
    """A bare repository that git-lfs can take for a server, by its path."""
    folder.mkdir()
    git(folder, "init", "-q", "--bare")
    return folder


def test_a_path_of_the_jobs_choice_is_kept_like_any_other(
    runner: GitLabRunner, repositories: Path, project: str
) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    place = [variable("GIT_CLONE_PATH", "$CI_BUILDS_DIR/of/my/choice")]
    script = [marked("pwd", "cat README.md"), "touch left-over"]
    first = runner.run(Job(script=script, project=project, sha=sha, git_strategy="fetch", variables=place))
    runner.assert_nothing_left()
    second = runner.run(Job(script=script, project=project, sha=sha, git_strategy="fetch", variables=place))
    assert between(second.section("step_script")) == "/builds/of/my/choice\ndemo\n"
    assert "Removing left-over" in second.section("get_sources")
    assert "Removing left-over" not in first.section("get_sources")


def test_a_path_outside_the_builds_folder_is_refused(runner: GitLabRunner) -> None:
    job = Job(script=["echo never"], variables=[variable("GIT_CLONE_PATH", "/etc/elsewhere")])
    record = runner.run(job)
    assert record.state == "failed"
    assert "\nnever\n" not in record.trace


@pytest.mark.parametrize(("depth", "commits"), [(1, 1), (2, 2), (0, 3)])
def test_only_so_many_commits_as_wanted_are_had(
    runner: GitLabRunner, repositories: Path, project: str, image: Callable[[str], str], depth: int, commits: int
) -> None:
    make_repository(repositories, project, {"README.md": "one\n"})
    add_commit(repositories, project, {"README.md": "two\n"})
    sha = add_commit(repositories, project, {"README.md": "three\n"})
    job = Job(script=[marked("git rev-list --count HEAD")], image=image("virida-executor/helper"), depth=depth)
    job.project, job.sha, job.git_strategy = project, sha, "fetch"
    assert between(runner.run(job).section("step_script")) == f"{commits}\n"


def test_builds_and_caches_in_folders_of_the_operators_choice(
    start_runner: StartRunner, repositories: Path, project: str
) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    runner = start_runner(options='builds_dir = "/deep/er/builds"\n  cache_dir = "/deep/cache"')
    cache = [{"key": "deps", "paths": ["vendor/"]}]
    script = [marked("pwd"), "mkdir -p vendor; ls vendor; echo data > vendor/lib"]
    for _ in range(2):
        record = runner.run(Job(script=script, project=project, sha=sha, git_strategy="fetch", cache=cache))
        assert record.outcome == ("success", None, None), record.trace
        assert between(record.section("step_script")) == f"/deep/er/builds/{project}\n"
        runner.assert_nothing_left()
    assert "Reinitialized existing Git repository" in record.section("get_sources")
    assert record.section("step_script").endswith("\nlib\n")


@pytest.mark.parametrize(("strategy", "folder"), [("none", ""), ("empty", "-empty")])
def test_jobs_without_sources_find_an_empty_folder(
    runner: GitLabRunner, repositories: Path, project: str, strategy: str, folder: str
) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    runner.run(Job(script=["touch left-over"], project=project, sha=sha, git_strategy="fetch"))
    record = runner.run(Job(script=[marked("pwd", "ls -A")], project=project, sha=sha, git_strategy=strategy))
    assert record.outcome == ("success", None, None), record.trace
    assert between(record.section("step_script")) == f"/builds/{project}{folder}\n"


def test_a_kept_folder_holds_nothing_of_other_projects(runner: GitLabRunner, repositories: Path, project: str) -> None:
    other = f"{project}-other"
    for path in (project, other):
        make_repository(repositories, path, {"README.md": f"{path}\n"})
    sha = git(repositories / f"{project}.work", "rev-parse", "HEAD")
    runner.run(Job(script=["echo mine > made"], project=project, sha=sha, git_strategy="fetch"))
    others = git(repositories / f"{other}.work", "rev-parse", "HEAD")
    look = Job(script=[marked("find /builds -name '*demo*'")], project=other, sha=others, git_strategy="fetch")
    found = between(runner.run(look).section("step_script")).splitlines()
    assert sorted(found) == [f"/builds/{other}", f"/builds/{other}.tmp"]


def test_file_variables_of_a_job_that_was_cut_off_are_not_there_for_the_next(
    runner: GitLabRunner, repositories: Path, project: str
) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    files = [variable("KEY", "-----BEGIN sup3r-s3cret", file=True)]
    first = Job(script=["cp $KEY .git/copied; sleep 60"], project=project, sha=sha, git_strategy="fetch", timeout=4)
    first.variables = files
    assert runner.run(first).failure_reason == "job_execution_timeout"
    look = [marked("grep -rl 'BEGIN sup3r-s3cre[t]' /builds --exclude=copied || echo clean", "ls $CI_PROJECT_DIR.tmp")]
    record = runner.run(Job(script=look, project=project, sha=sha, git_strategy="fetch"))
    assert record.outcome == ("success", None, None), record.trace
    printed = between(record.section("step_script")).splitlines()
    assert printed[0] == "clean"
    assert "KEY" not in printed


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
