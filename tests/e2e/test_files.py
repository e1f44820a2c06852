"""Artifacts up and down, and caches that stay on the host."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job, JobRecord, unique_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import StartRunner
    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner


def _names(record: JobRecord, artifact_type: str = "archive") -> list[str]:
    content = next(upload.content for upload in record.uploads if upload.query["artifact_type"] == artifact_type)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return sorted(archive.namelist())


def test_artifacts_are_uploaded(runner: GitLabRunner) -> None:
    record = runner.run(
        Job(
            script=["mkdir -p out/sub; echo a > out/a; echo b > out/sub/b; echo c > out/c.tmp"],
            artifacts=[{"paths": ["out/"], "exclude": ["out/*.tmp"]}],
        )
    )
    assert record.outcome == ("success", None, None)
    assert _names(record) == ["out/", "out/a", "out/sub/", "out/sub/b"]
    assert record.uploads[0].query["expire_in"] == "1 day"


def test_artifacts_reach_a_later_job(runner: GitLabRunner) -> None:
    script = ["mkdir out; echo content > out/a; chmod 750 out/a"]
    first = runner.run(Job(script=script, artifacts=[{"paths": ["out/"]}]))
    second = runner.run(Job(script=["cat out/a", "stat -c %a out/a"], dependencies=[first]))
    assert second.outcome == ("success", None, None)
    assert second.section("step_script").endswith("\n750\n")
    assert "\ncontent\n" in second.section("step_script")


def test_a_failed_job_uploads_what_is_meant_for_failures(runner: GitLabRunner) -> None:
    record = runner.run(
        Job(
            script=["mkdir out; echo log > out/log; exit 7"],
            artifacts=[{"paths": ["none/"], "when": "on_success"}, {"paths": ["out/"], "when": "on_failure"}],
        )
    )
    assert record.outcome == ("failed", "script_failure", 7)
    assert _names(record) == ["out/", "out/log"]


def test_a_report_is_uploaded_beside_the_archive(runner: GitLabRunner) -> None:
    report = {"name": "", "paths": ["junit.xml"], "artifact_type": "junit", "artifact_format": "gzip", "when": "always"}
    record = runner.run(
        Job(script=["echo '<testsuites/>' > junit.xml", "echo a > a"], artifacts=[{"paths": ["a"]}, report])
    )
    assert [upload.query["artifact_type"] for upload in record.uploads] == ["archive", "junit"]


def test_a_dependency_that_is_gone_fails_the_job(runner: GitLabRunner) -> None:
    first = runner.run(Job(script=["echo a > a"], artifacts=[{"paths": ["a"]}]))
    second = Job(script=["echo never"], dependencies=[first])
    record = runner.submit(second)
    first.uploads.clear()
    assert record.wait().outcome == ("failed", "script_failure", 1)
    assert "\nnever\n" not in record.trace


def _cached(project: str, script: list[str]) -> Job:
    return Job(script=script, project=project, cache=[{"key": "deps", "paths": ["vendor/"]}])


def test_the_second_job_finds_the_cache_of_the_first(runner: GitLabRunner) -> None:
    project = f"virida/cached{unique_number()}"
    first = runner.run(_cached(project, ["test ! -e vendor", "mkdir vendor; echo data > vendor/lib"]))
    assert first.outcome == ("success", None, None)
    assert "Created cache" in first.section("archive_cache")
    second = runner.run(_cached(project, ["cat vendor/lib"]))
    assert second.outcome == ("success", None, None)
    assert "Successfully extracted cache" in second.section("restore_cache")
    assert "\ndata\n" in second.section("step_script")


def test_without_a_cache_the_next_job_finds_none(start_runner: StartRunner) -> None:
    """As under the docker executor: the archive is made, in a container that goes with its job."""
    runner = start_runner(docker_options="    disable_cache = true\n")
    project = f"virida/cached{unique_number()}"
    first = runner.run(_cached(project, ["mkdir vendor; echo data > vendor/lib; test ! -e /cache"]))
    assert first.outcome == ("success", None, None), first.trace
    assert "Created cache" in first.section("archive_cache")
    second = runner.run(_cached(project, ["test ! -e vendor && echo empty"]))
    assert second.outcome == ("success", None, None), second.trace


def test_a_cache_stays_within_its_project(runner: GitLabRunner) -> None:
    runner.run(_cached(f"virida/cached{unique_number()}", ["mkdir vendor; echo data > vendor/lib"]))
    other = runner.run(_cached(f"virida/cached{unique_number()}", ["test ! -e vendor && echo empty"]))
    assert other.outcome == ("success", None, None)


def test_a_cache_of_a_job_that_is_not_root_is_found_again(runner: GitLabRunner, image: Callable[[str], str]) -> None:
    project = f"virida/cached{unique_number()}"
    name = image("virida-executor/test-nonroot")
    for script in (["mkdir vendor; echo data > vendor/lib"], ["cat vendor/lib; echo more >> vendor/lib"]):
        job = _cached(project, script)
        job.image = name
        record = runner.run(job)
        assert record.outcome == ("success", None, None), record.trace
    assert "\ndata\n" in record.section("step_script")
