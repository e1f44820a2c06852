"""Which jobs are kept for a look, and for how long."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from executor.sandbox import keeping
from executor.sandbox.folders import claim_builds_folder
from executor.sandbox.keeping import ask_to_keep, keep_if_failed, note_outcome, seconds_left, wait_until_over
from executor.sandbox.state import write_private

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def job(tmp_path: Path) -> str:
    """The folder of a job that is to be kept for a minute if it fails."""
    ask_to_keep(str(tmp_path), 60)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("outcomes", "status", "kept"),
    [
        pytest.param([("build_script", 1)], "failed", True, id="the script failed"),
        pytest.param([("get_sources", 1)], "running", True, id="it never came to the script"),
        pytest.param([("get_sources", 1), ("get_sources", 0)], "success", False, id="tried again with success"),
        pytest.param([("get_sources", 1), ("build_script", 0)], "running", True, id="another stage is no second try"),
        pytest.param([("build_script", 0), ("after_script", 1)], "success", False, id="after_script alone"),
        pytest.param([("upload_artifacts_on_success", 1)], "success", True, id="an upload failed"),
        pytest.param([("build_script", 143)], "timedout", True, id="it took too long"),
        pytest.param([("build_script", 143)], "canceled", False, id="somebody canceled it"),
        pytest.param([("build_script", 0)], "success", False, id="success"),
        pytest.param([("step_../../x\udcff\n", 1)], "running", True, id="a hostile name"),
    ],
)
def test_failed_jobs_are_kept(job: str, outcomes: list[tuple[str, int]], status: str, kept: bool) -> None:
    for stage, code in outcomes:
        note_outcome(job, stage, code)

    until = keep_if_failed(job, status)

    assert (until is not None) is kept
    assert seconds_left(job) == (pytest.approx(60, abs=2) if kept else None)


def test_nobody_asked(tmp_path: Path) -> None:
    note_outcome(str(tmp_path), "build_script", 1)

    assert keep_if_failed(str(tmp_path), "failed") is None


@pytest.mark.parametrize("text", ["", "soon", "1 2 3", "nan", "\0"])
def test_half_a_mark_keeps_nothing(job: str, text: str) -> None:
    write_private(f"{job}/kept", text)

    assert seconds_left(job) is None


def test_a_clock_that_jumps_back_keeps_no_job_for_ever(job: str) -> None:
    write_private(f"{job}/kept", f"{time.time() + 10**8:.0f} 60")

    assert seconds_left(job) == 0


def test_waiting_ends_with_the_time(job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "NAP_SECONDS", 0.05)
    write_private(f"{job}/kept", f"{time.time() + 0.4} 60")
    began = time.monotonic()

    wait_until_over(job)

    assert 0.3 < time.monotonic() - began < 2


def test_waiting_ends_when_somebody_removed_the_job(job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_private(f"{job}/kept", f"{time.time() + 60} 60")
    monkeypatch.setattr(time, "sleep", lambda _: os.unlink(f"{job}/kept"))

    wait_until_over(job)


def test_a_kept_jobs_sources_are_nobody_elses(tmp_path: Path) -> None:
    """The next job of the slot gets a folder of its own, at once."""
    kept, following = tmp_path / "jobs" / "1-a", tmp_path / "jobs" / "2-b"
    for folder in (kept, following):
        folder.mkdir(parents=True)
    base = str(tmp_path / "builds")
    first = claim_builds_folder(base, 0, str(kept), keep=True, protected=False)
    write_private(f"{kept}/kept", f"{time.time() + 60} 60")
    began = time.monotonic()

    second = claim_builds_folder(base, 0, str(following), keep=True, protected=False)

    assert first.reusable
    assert not second.reusable
    assert second.path != first.path
    assert time.monotonic() - began < 1
