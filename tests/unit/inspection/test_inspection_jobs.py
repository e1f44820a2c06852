"""The jobs of a state folder: which live, what they say of themselves, and which one a person means."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from executor.errors import OperatorError, UsageError
from executor.inspection.jobs import HostJob, find_job, jobs_of
from executor.sandbox.liveness import claim_of_caller
from executor.sandbox.state import mark_ended, note_stage, save, write_private

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A state folder; this test is the runner of its jobs."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return str(tmp_path / "state")


def new_job(state: str, key: str, *, folder: str | None = None, **facts: Any) -> str:
    path = f"{state}/jobs/{key}"
    os.makedirs(path)
    claim = claim_of_caller() | ({"folder": folder} if folder else {})
    job = {"id": int(key.partition("-")[0]), "name": "unit", "project": "virida/app", "ref": "main", "sha": "a" * 40}
    save(path, {"claim": claim, "began": time.time() - 90, "job": job, **facts})
    return path


def only(state: str) -> HostJob:
    (job,) = jobs_of(state)
    return job


def test_no_state_folder_has_no_jobs(state: str) -> None:
    assert jobs_of(state) == []


def test_a_running_job(state: str) -> None:
    folder = new_job(state, "1001-ab")
    note_stage(folder, "build_script")

    job = only(state)

    assert (job.key, job.id, job.name, job.project, job.ref) == ("1001-ab", 1001, "unit", "virida/app", "main")
    assert (job.fate, job.stage, job.seconds_kept) == ("running", "build_script", None)
    assert job.began == pytest.approx(time.time() - 90, abs=5)
    assert job.stage_began == pytest.approx(time.time(), abs=5)


def test_before_the_first_stage_it_is_prepared(state: str) -> None:
    new_job(state, "1001-ab")

    assert only(state).stage == "prepare"
    assert only(state).stage_began == only(state).began


@pytest.mark.parametrize("stage", ["step_../../etc/passwd", "step_\x1b[2J\n\0", "step_\udcff", "step_" + "x" * 100_000])
def test_a_hostile_stage_is_only_content(state: str, stage: str) -> None:
    folder = new_job(state, "1001-ab")
    before = sorted(os.listdir(folder))

    note_stage(folder, stage)

    assert sorted(os.listdir(folder)) == sorted([*before, "stage"])
    assert only(state).stage.startswith("step_")


def test_the_stage_before_leaves_nothing_in_the_name(state: str) -> None:
    folder = new_job(state, "1001-ab")
    note_stage(folder, "step_with_a_long_name")
    note_stage(folder, "after_script")

    assert only(state).stage == "after_script"


def test_fates(state: str) -> None:
    new_job(state, "1-running")
    new_job(state, "2-dead", folder="/nowhere")
    write_private(f"{new_job(state, '3-kept', folder='/nowhere')}/kept", f"{time.time() + 60:.0f} 60")
    mark_ended(new_job(state, "4-ending", folder="/nowhere"))

    assert [job.fate for job in jobs_of(state)] == ["running", "left over", "kept", "ending"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 99}', '{"version": 1, "job": null}'])
def test_a_state_that_says_little_is_still_a_job(state: str, text: str) -> None:
    folder = new_job(state, "1001-ab")
    write_private(f"{folder}/state.json", text)

    assert (only(state).id, only(state).name) == (1001, "")


def test_a_folder_by_another_name_is_no_reason_to_stop(state: str) -> None:
    os.makedirs(f"{state}/jobs/lost+found")

    assert only(state).id == 0


def test_a_job_is_found_by_number_and_by_key(state: str) -> None:
    new_job(state, "1001-ab")
    new_job(state, "1002-cd")

    assert [find_job(jobs_of(state), word).key for word in ("1002", "1001-ab")] == ["1002-cd", "1001-ab"]


def test_the_living_attempt_is_meant(state: str) -> None:
    new_job(state, "1001-aa", folder="/nowhere")
    new_job(state, "1001-bb")

    assert find_job(jobs_of(state), "1001").key == "1001-bb"
    assert find_job(jobs_of(state), "1001-aa").fate == "left over"


def test_one_of_several_has_to_be_named(state: str) -> None:
    new_job(state, "1001-aa")
    new_job(state, "1001-bb")

    with pytest.raises(UsageError) as caught:
        find_job(jobs_of(state), "1001")
    assert "1001-aa, 1001-bb" in caught.value.fix


@pytest.mark.parametrize("word", ["7", "", "1001-", "../1001-ab", "unit"])
def test_no_such_job(state: str, word: str) -> None:
    new_job(state, "1001-ab")

    with pytest.raises(UsageError, match="no job") as caught:
        find_job(jobs_of(state), word)
    assert "1001" in caught.value.cause


def test_a_closed_state_folder_is_told(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    new_job(state, "1001-ab")
    monkeypatch.setattr(os, "access", lambda *_: False)

    with pytest.raises(OperatorError, match="closed to this account"):
        jobs_of(state)
