"""`executor cache` on the host of a real runner: what it says of caches that real jobs have saved and restored."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.jobs import Job, unique_number
from tests.e2e.runner import LAUNCHER

if TYPE_CHECKING:
    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner


def cache(runner: GitLabRunner, *words: str, code: int = 0) -> dict[str, Any]:
    """What a command says as JSON on the runner's host."""
    call = [str(LAUNCHER), "--config", str(runner.settings.config_file), "cache", *words, "--json"]
    ended = subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == code, ended.stderr
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def users_of(runner: GitLabRunner, project: str) -> list[str]:
    """The leases on the project's one cache."""
    return list(cache(runner, "show", "deps", "--project", project)["leases"])


def test_what_jobs_keep_is_seen_checked_and_removed(runner: GitLabRunner) -> None:
    project = f"virida/looked-at{unique_number()}"
    key = {"key": "deps", "paths": ["vendor/"]}
    of_project = ("--project", project)
    first = runner.run(Job(script=["mkdir vendor; seq 100 > vendor/a"], project=project, cache=[key]))
    second = runner.run(Job(script=["seq 200 > vendor/b"], project=project, cache=[key]))
    assert [record.state for record in (first, second)] == ["success", "success"], second.trace

    (seen,) = cache(runner, "ls", *of_project)["caches"]
    assert (seen["key"], seen["files"], seen["hits"], seen["state"]) == ("deps", 2, 1, "local")
    assert seen["job"]["id"] == second.job.id
    waiting = time.monotonic() + 20
    while not all(layer["digest"] for layer in cache(runner, "show", "deps", *of_project)["layers"]):
        assert time.monotonic() < waiting, "the layers got no digest"
        time.sleep(0.2)
    assert cache(runner, "verify")["well"] is True

    assert [one["id"] for one in cache(runner, "rm", "deps", *of_project, "--yes")["removed"]] == [seen["id"]]
    third = runner.run(Job(script=["test ! -e vendor"], project=project, cache=[key]))
    assert third.state == "success", third.trace
    assert "Cache file does not exist" in third.section("restore_cache")


def test_what_a_living_job_has_restored_outlives_its_removal(runner: GitLabRunner) -> None:
    project = f"virida/outlived{unique_number()}"
    key = {"key": "deps", "paths": ["vendor/"]}
    runner.run(Job(script=["mkdir vendor; seq 100 > vendor/a"], project=project, cache=[key]))
    record = runner.submit(Job(script=["sleep 6", "wc -l < vendor/a"], project=project, cache=[key]))
    waiting = time.monotonic() + 60
    while not any(user.startswith(f"{record.job.id}-") for user in users_of(runner, project)):
        assert time.monotonic() < waiting, record.trace
        time.sleep(0.1)

    cache(runner, "rm", "deps", "--project", project, "--yes")
    cache(runner, "gc", "--max-age", "1000d")

    record.wait(60)
    assert record.state == "success", record.trace
    assert "\n100\n" in record.section("step_script")
