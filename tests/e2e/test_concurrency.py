"""Several jobs of one project at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job, unique_number
from tests.e2e.repositories import make_repository

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner


def test_four_jobs_of_a_project_do_not_meet(runner: GitLabRunner, repositories: Path) -> None:
    project = f"virida/busy{unique_number()}"
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    script = [
        "test ! -e owner",
        "echo $CI_JOB_ID > owner",
        "sleep 2",
        'test "$(cat owner)" = $CI_JOB_ID',
        "cat README.md",
    ]
    records = [runner.submit(Job(script=script, project=project, sha=sha, git_strategy="fetch")) for _ in range(4)]
    for record in records:
        record.wait()
    assert [record.outcome for record in records] == [("success", None, None)] * 4, [r.trace for r in records]
    assert all("\ndemo\n" in record.section("step_script") for record in records)


def test_jobs_at_once_share_the_caches_of_their_project(runner: GitLabRunner) -> None:
    project = f"virida/busy{unique_number()}"
    cache = [{"key": "deps", "paths": ["vendor/"]}]
    runner.run(Job(script=["mkdir vendor; echo data > vendor/lib"], project=project, cache=cache))
    records = [runner.submit(Job(script=["cat vendor/lib", "sleep 1"], project=project, cache=cache)) for _ in range(3)]
    for record in records:
        assert record.wait().outcome == ("success", None, None), record.trace
        assert "\ndata\n" in record.section("step_script")
