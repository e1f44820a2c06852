"""When a job counts as slower or larger, and how often the rule is wrong."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import pytest

from executor.usage.comparison import CPU, MEMORY, NOISY, REGRESSION, TIME
from executor.usage.regression import FLOORS, judge
from executor.usage.regression import compared as compare
from tests.unit.history.builders import a_run, runs

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB = 1024**2
SLOW = 700.0


def judgements(first: float, earlier: Sequence[dict[str, Any]]) -> dict[str, str]:
    comparison = compare(a_run(seconds=first), runs(earlier))
    return {change.quantity: change.judgement for change in comparison.changes}


def test_two_slow_runs_of_three_are_a_regression_one_is_not() -> None:
    usual: list[dict[str, Any]] = [{"seconds": 380.0}] * 20

    assert judgements(SLOW, usual)[TIME] == ""
    assert judgements(SLOW, [{"seconds": SLOW}, *usual])[TIME] == REGRESSION
    assert judgements(SLOW, [{}, {"seconds": SLOW}, *usual])[TIME] == REGRESSION
    assert judgements(SLOW, [{}, {}, {"seconds": SLOW}, *usual])[TIME] == ""


def test_a_run_that_is_as_usual_again_is_not_blamed_for_those_before_it() -> None:
    assert judgements(380.0, [{"seconds": SLOW}] * 2 + [{}] * 20)[TIME] == ""


def test_with_fewer_than_eight_runs_nothing_is_said() -> None:
    nine: list[dict[str, Any]] = [{"seconds": SLOW}, *[{}] * 8]

    assert judgements(SLOW, nine) == {}
    assert judgements(SLOW, [*nine, {}])[TIME] == REGRESSION


def test_a_branch_is_compared_with_the_default_branch_and_its_own_last_runs() -> None:
    branch = {"ref": "feature", "on_default_branch": False, "seconds": SLOW}

    comparison = compare(a_run(**branch), runs([branch, *[{"on_default_branch": True, "ref": "main"}] * 25]))

    assert (comparison.branch, comparison.runs) == ("main", 20)
    assert [change.quantity for change in comparison.regressions()] == [TIME]
    assert comparison.changes[0].median == 380.0


def test_runs_of_other_branches_are_nothing_to_compare_with() -> None:
    other = {"ref": "other", "on_default_branch": False}

    assert not compare(a_run(), runs([other] * 20)).changes


@pytest.mark.parametrize("result", ["script_failure", "canceled", "timeout", "system_failure"])
def test_a_run_that_failed_is_shown_but_neither_judged_nor_judged_by(result: str) -> None:
    slow = {"seconds": SLOW}

    failed = compare(a_run(result=result, **slow), runs([slow, slow, *[{}] * 20]))
    after_failures = compare(a_run(**slow), runs([{"result": result, **slow}] * 2 + [{}] * 20))

    assert failed.changes
    assert not failed.regressions()
    assert not after_failures.regressions()


def test_a_job_without_its_cache_is_not_called_slow() -> None:
    cold = {"seconds": SLOW, "cache": "miss"}

    assert TIME not in judgements(SLOW, [cold] * 20)
    comparison = compare(a_run(**cold), runs([cold, *[{}] * 20]))
    assert [change.quantity for change in comparison.changes] == [CPU, MEMORY]


def test_memory_is_that_of_its_processes_and_what_is_unknown_is_left_out() -> None:
    unknown = {"cpu_seconds": None, "memory_anon_peak": None, "memory_working_set_peak": 100 * MIB}

    comparison = compare(a_run(**unknown), runs([unknown] * 20))

    assert [(change.quantity, change.value) for change in comparison.changes] == [
        (TIME, 380.0),
        (MEMORY, 100.0 * MIB),
    ]


@pytest.mark.parametrize(
    ("value", "usual", "quantity"), [(39.0, 10.0, TIME), (14.0, 5.0, CPU), (200 * MIB, 100 * MIB, MEMORY)]
)
def test_small_differences_worry_nobody(value: float, usual: float, quantity: str) -> None:
    assert judge([value] * 3, [usual] * 20, FLOORS[quantity]) == ""


def test_values_that_differ_too_much_are_not_judged() -> None:
    uneven = [100.0, 180.0] * 10

    assert judge([400.0] * 3, uneven, 30.0) == NOISY
    assert judge([120.0] * 3, uneven, 30.0) == ""


def _noisy(chance: random.Random, sigma: float, level: float = 1.0) -> float:
    """A run's time of 600 s with log-normal noise; three of a hundred take two to four times as long."""
    outlier = chance.uniform(2, 4) if chance.random() < 0.03 else 1.0
    return 600 * level * outlier * math.exp(chance.gauss(0, sigma))


def _share(sigma: float, level: float, *, times: int = 4000) -> float:
    """How often the rule speaks of a regression, where the last three runs have `level` times the usual."""
    chance = random.Random(f"{sigma} {level}")
    found = 0
    for _ in range(times):
        baseline = [_noisy(chance, sigma) for _ in range(20)]
        found += judge([_noisy(chance, sigma, level) for _ in range(3)], baseline, FLOORS[TIME]) == REGRESSION
    return found / times


@pytest.mark.parametrize("sigma", [0.05, 0.1, 0.2, 0.3])
def test_false_alarms_are_rarer_than_seven_in_a_thousand(sigma: float) -> None:
    assert _share(sigma, 1.0) <= 0.007


@pytest.mark.parametrize(("sigma", "least"), [(0.05, 0.99), (0.1, 0.84)])
def test_half_as_much_again_is_found_in_even_jobs(sigma: float, least: float) -> None:
    assert _share(sigma, 1.5) >= least


def test_in_uneven_jobs_the_rule_rather_keeps_silent() -> None:
    assert 0.05 < _share(0.2, 1.5) < 0.5
    assert _share(0.3, 1.5) < 0.15
