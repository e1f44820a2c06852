"""Recording what a job used: never anybody's failure, and what goes wrong is said once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from executor.sandbox.measured_end import failures_to_tell, keep_what_was_used
from executor.sandbox.measuring import cache_outcome, read_data
from executor.usage.history.queries import last_run, whole_run
from tests.unit.usage.builders import data, stage

if TYPE_CHECKING:
    from pathlib import Path


def measured(tmp_path: Path) -> Path:
    """The folder of a job that was measured, whose history lies in `tmp_path`."""
    folder = tmp_path / "jobs" / "7"
    (folder / "usage").mkdir(parents=True, exist_ok=True)
    found = data(stage("build_script", 3), state_dir=str(tmp_path))
    (folder / "usage" / "data.json").write_text(json.dumps(found))
    return folder


def test_a_job_is_recorded_as_it_ended(tmp_path: Path) -> None:
    keep_what_was_used(str(measured(tmp_path)))

    number = last_run(f"{tmp_path}/history.db", "7")
    assert number is not None
    used, verdicts = whole_run(f"{tmp_path}/history.db", number)
    assert (used.result, used.exit_code, used.failed_stage) == ("script_failure", 3, "build_script")
    assert used.job.key == "unit"
    assert verdicts == ()
    assert failures_to_tell(str(tmp_path)) == []


def test_a_history_that_cannot_be_written_is_told_once_until_it_can_be_again(tmp_path: Path) -> None:
    (tmp_path / "history.db").mkdir()
    for _ in range(2):
        keep_what_was_used(str(measured(tmp_path)))

    assert "history" in failures_to_tell(str(tmp_path))[0]
    assert failures_to_tell(str(tmp_path)) == []
    keep_what_was_used(str(measured(tmp_path)))
    assert failures_to_tell(str(tmp_path)) == []

    (tmp_path / "history.db").rmdir()
    keep_what_was_used(str(measured(tmp_path)))
    (tmp_path / "history.db").unlink()
    (tmp_path / "history.db").mkdir()
    keep_what_was_used(str(measured(tmp_path)))
    assert "history" in failures_to_tell(str(tmp_path))[0]


def test_data_of_another_shape_is_no_failure(tmp_path: Path) -> None:
    folder = measured(tmp_path)
    path = folder / "usage" / "data.json"
    path.write_text(json.dumps({"state_dir": str(tmp_path), "retention": [90, 200]}))
    keep_what_was_used(str(folder))
    assert "could not be recorded (KeyError)" in failures_to_tell(str(tmp_path))[0]
    for text in ("", "[]", '{"half'):
        path.write_text(text)
        assert read_data(str(folder)) is None
        keep_what_was_used(str(folder))
    assert not (tmp_path / "history.db").exists()


def test_whether_caches_were_found(tmp_path: Path) -> None:
    assert cache_outcome(str(tmp_path)) == ""
    for restored, outcome in (([{"place": 1}], "hit"), ([{"place": 1}, None], "miss"), ([None], "miss"), ([], "")):
        (tmp_path / "caches-state").write_text(json.dumps({"restored": restored}))
        assert cache_outcome(str(tmp_path)) == outcome
    (tmp_path / "caches-state").write_text("{")
    assert cache_outcome(str(tmp_path)) == ""
