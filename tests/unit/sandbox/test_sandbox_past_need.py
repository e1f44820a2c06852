"""What a job needs by its history, as `prepare` asks for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from executor.sandbox.past_need import needed_memory
from executor.usage.history.record import record
from executor.usage.keys import job_key
from tests.unit.job.builders import job
from tests.unit.report.builders import GIB, OOM, a_job, a_usage, oom_usage

JOB = replace(job(), name="test 2/4")


def remember(folder: Path, *, killed: bool, number: int) -> None:
    facts = a_job(id=number, project_id=JOB.project_id, project=JOB.project_path, name="test 1/4", key="test")
    record(str(folder / "history.db"), replace(oom_usage() if killed else a_usage(), job=facts), (OOM,) * killed)


def test_a_job_that_was_killed_needs_half_as_much_again(tmp_path: Path) -> None:
    remember(tmp_path, killed=True, number=1)
    remember(tmp_path, killed=False, number=2)

    assert needed_memory(str(tmp_path), JOB) == 3 * GIB
    assert needed_memory(str(tmp_path), replace(JOB, name="lint")) == 0
    assert needed_memory(str(tmp_path), replace(JOB, project_id=99)) == 0


def test_good_runs_say_nothing(tmp_path: Path) -> None:
    remember(tmp_path, killed=False, number=1)

    assert needed_memory(str(tmp_path), JOB) == 0


def test_without_a_history_there_is_none_afterwards_either(tmp_path: Path) -> None:
    assert needed_memory(str(tmp_path), JOB) == 0
    assert not list(tmp_path.iterdir())


def test_a_damaged_history_is_a_line_of_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "history.db").write_bytes(b"no database" * 500)

    assert needed_memory(str(tmp_path), JOB) == 0
    assert "do not follow its history: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("test", "test"),
        ("test 3/10", "test"),
        ("unit tests 10/10", "unit tests"),
        ("test: [linux, 3/10]", "test: [linux, 3/10]"),
        ("3/10", "3/10"),
        ("test 3/", "test 3/"),
        ("test a/b", "test a/b"),
        ("", ""),
    ],
)
def test_the_part_of_a_parallel_job_does_not_make_it_another(name: str, key: str) -> None:
    assert job_key(name) == key
