"""A job that has just ended, against the file of history."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from executor.usage.comparison import RAISE, TIME
from executor.usage.history.compare import comparison_of
from executor.usage.history.queries import Wanted, past_runs
from executor.usage.history.record import record
from executor.usage.history.short import in_short
from executor.usage.model import Usage, Verdict
from tests.unit.report.builders import OOM, a_job, a_usage, bare_usage, oom_usage

if TYPE_CHECKING:
    from pathlib import Path


def test_a_job_is_known_by_the_same_values_before_and_after_it_is_recorded(tmp_path: Path) -> None:
    path = str(tmp_path / "history.db")
    jobs: list[tuple[Usage, tuple[Verdict, ...]]] = [
        (a_usage(), ()),
        (oom_usage(), (OOM,)),
        (bare_usage(), ()),
        (a_usage(containers=()), ()),
    ]
    for usage, verdicts in jobs:
        record(path, usage, verdicts)
        (run,) = past_runs(path, Wanted(), limit=10)

        assert replace(run, number=0) == in_short(usage, verdicts)


def test_a_job_is_compared_with_earlier_runs_and_not_with_itself(tmp_path: Path) -> None:
    path = str(tmp_path / "history.db")
    for number in range(20):
        record(path, a_usage(job=a_job(id=number)), ())
    slow = a_usage(seconds=900.0, job=a_job(id=20))
    record(path, slow, ())
    slower = replace(oom_usage(), seconds=900.0, result="success", job=a_job(id=21))

    before = comparison_of(path, slower)
    record(path, slower, (OOM,))

    assert comparison_of(path, slower) == before
    assert [change.quantity for change in before.regressions()] == [TIME]
    assert (before.branch, before.runs) == ("main", 19)
    assert ("memory", RAISE) in [(one.resource, one.direction) for one in before.suggestions]
