"""From data to `Usage`: how a job ended, and what is known of its containers."""

from __future__ import annotations

from typing import Any

import pytest

from executor.usage.model import Limits
from executor.usage.summary import outcome, summarize
from tests.unit.usage.builders import data, stage

OUTCOMES: dict[str, tuple[dict[str, Any], str, str]] = {
    "all stages worked": (data(stage("get_sources"), stage("build_script")), "success", ""),
    "no stage ran": (data(), "success", ""),
    "the script failed": (data(stage("get_sources"), stage("build_script", 3)), "script_failure", "build_script"),
    "after_script changes nothing": (data(stage("build_script"), stage("after_script", 1)), "success", ""),
    "a stage worked at the second try": (
        data(stage("get_sources", 1), stage("get_sources"), stage("build_script")),
        "success",
        "",
    ),
    "the first failure counts": (
        data(stage("build_script", 1), stage("archive_cache_on_failure", 2)),
        "script_failure",
        "build_script",
    ),
    "a stage without an end": (
        data(stage("get_sources", None), stage("cleanup_file_variables")),
        "system_failure",
        "get_sources",
    ),
    "the running stage decides nothing": (
        data(stage("build_script"), stage("cleanup_file_variables", None), running="cleanup_file_variables"),
        "success",
        "",
    ),
    "the runner says canceled": (
        data(stage("build_script", 143, stopped=True), status="canceled"),
        "canceled",
        "build_script",
    ),
    "the runner says timed out": (
        data(stage("build_script", 143, stopped=True), status="timedout"),
        "timeout",
        "build_script",
    ),
    "stopped long before the limit": (
        data(stage("build_script", 143, stopped=True), status="running"),
        "canceled",
        "build_script",
    ),
    "stopped at the limit": (
        data(stage("build_script", 143, seconds=3598.5, stopped=True), status="running"),
        "timeout",
        "build_script",
    ),
    "stopped at the script's limit": (
        data(stage("build_script", 143, seconds=120.2, stopped=True), script_timeout=120),
        "timeout",
        "build_script",
    ),
    "after_script ran into its own limit": (
        data(stage("build_script"), stage("after_script", 143, stopped=True), stage("cleanup_file_variables")),
        "success",
        "",
    ),
    "canceled in after_script": (
        data(stage("build_script"), stage("after_script", 143, stopped=True)),
        "canceled",
        "after_script",
    ),
    "nobody cleaned up after it": (data(stage("get_sources"), status="abandoned"), "system_failure", ""),
    "a forged status is no status": (data(stage("build_script"), status="excellent"), "success", ""),
}


@pytest.mark.parametrize(("recorded", "result", "failed"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_how_a_job_ended(recorded: dict[str, Any], result: str, failed: str) -> None:
    found, deciding = outcome(recorded)

    assert found == result
    assert (deciding["name"] if deciding else "") == failed
    assert summarize(recorded).failed_stage == failed


def row(**counters: float) -> dict[str, Any]:
    """A row of a track."""
    return {"wall": 5.0, "counters": counters, "peaks": {"memory_anon_peak": 7}, "samples": 2}


def track(**changes: Any) -> dict[str, Any]:
    """A track of a build container."""
    return {
        "role": "build",
        "name": "build",
        "image": "debian:12",
        "limits": [1024, 1.5],
        "whole": row(cpu_seconds=2.5, oom_kills=1.0, io_read=10.0),
        "stages": {"build_script": row(cpu_seconds=2.0), "get_sources": row(cpu_seconds=0.0)},
        "top": [["node", 5]],
        "killed": [],
        "disk_written": 99,
        "oom_killed": False,
        "exit_code": None,
        "curves": {"memory": [[0.0, 1.0], [1.0, 2.0], [1.0, 3.0]], "cpu": [[], [], []]},
        **changes,
    }


def test_counts_are_whole_numbers_and_the_unknown_is_none() -> None:
    found = summarize(data(containers=[track()])).containers[0]

    assert found.limits == Limits(memory=1024, cpus=1.5)
    assert found.whole.oom_kills == 1
    assert isinstance(found.whole.oom_kills, int)
    assert found.whole.io_read == 10
    assert found.whole.io_written is None
    assert found.whole.memory_working_set_peak is None
    assert found.whole.disk_written == 99
    assert found.stages[0].disk_written is None


def test_a_container_has_rows_of_the_stages_that_it_took_part_in() -> None:
    """The build container does nothing while the helper gets sources."""
    assert [one.stage for one in summarize(data(containers=[track()])).containers[0].stages] == ["build_script"]


def test_curves_without_points_are_left_out() -> None:
    (curve,) = summarize(data(containers=[track()])).series

    assert (curve.container, curve.quantity, curve.unit) == ("build", "memory", "bytes")
    assert curve.highs == (1.0, 3.0)
