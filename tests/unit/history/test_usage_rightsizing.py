"""Which limits a job's runs speak for."""

from __future__ import annotations

from typing import Any

import pytest

from executor.usage.comparison import KEEP, LOWER, RAISE, Suggestion
from executor.usage.fleet import Prices, advise, total
from executor.usage.rightsizing import Bounds, limit_after_kill, suggest_cpus, suggest_memory
from tests.unit.history.builders import a_run, runs

MIB = 1024**2
GIB = 1024**3


def memory(values: list[dict[str, Any]], most: int | None = None) -> Suggestion:
    suggestion = suggest_memory(runs(values), most)
    assert suggestion is not None
    return suggestion


def of(held: int, limit: int | None = 2 * GIB, **changes: Any) -> dict[str, Any]:
    return {"memory_anon_peak": held, "memory_p95": held, "memory_limit": limit, **changes}


def killed(limit: int = 2 * GIB, **changes: Any) -> dict[str, Any]:
    return of(limit, limit, oom_kills=1, result="script_failure", **changes)


def test_a_fifth_more_than_the_largest_of_the_runs_in_whole_steps() -> None:
    suggestion = memory([of(1000 * MIB), of(1200 * MIB), of(900 * MIB)])

    assert (suggestion.value, suggestion.direction, suggestion.runs) == (1536 * MIB, KEEP, 3)
    assert (suggestion.largest, suggestion.limit) == (1200 * MIB, 2 * GIB)


def test_never_less_than_256_mib() -> None:
    assert memory([of(3 * MIB)]).value == 256 * MIB


def test_only_twenty_runs_count() -> None:
    assert memory([*[of(1000 * MIB)] * 20, of(1900 * MIB)]).value == 1280 * MIB


def test_coming_close_to_the_limit_in_one_of_the_last_five_runs_raises_it() -> None:
    near = of(1900 * MIB)

    assert (memory([of(GIB)] * 4 + [near]).direction, memory([of(GIB)] * 4 + [near]).reason) == (RAISE, "near-limit")
    assert memory([of(GIB)] * 5 + [near]).direction == KEEP


def test_page_cache_alone_never_raises_a_limit() -> None:
    cached = of(600 * MIB, memory_p95=2 * GIB, memory_working_set_peak=2 * GIB)

    assert memory([cached] * 20).direction == KEEP


def test_a_kill_raises_the_limit_by_half_and_it_stays_so_for_twenty_runs() -> None:
    assert (memory([killed()]).value, memory([killed()]).direction, memory([killed()]).reason) == (
        3 * GIB,
        RAISE,
        "oom",
    )

    raised = of(1200 * MIB, 3 * GIB)
    assert (memory([raised] * 19 + [killed()]).value, memory([raised] * 19 + [killed()]).direction) == (3 * GIB, KEEP)
    assert memory([raised] * 20 + [killed()]).value == 1536 * MIB


def test_a_job_that_is_killed_at_the_operators_bound_is_told_so() -> None:
    suggestion = memory([killed(4 * GIB)], most=4 * GIB)

    assert (suggestion.value, suggestion.direction, suggestion.reason) == (4 * GIB, KEEP, "at-bound")
    assert memory([killed()], most=int(2.5 * GIB)).value == 2.5 * GIB


def test_a_limit_is_lowered_only_where_ten_runs_all_needed_less_than_half() -> None:
    small = of(500 * MIB)

    assert memory([small] * 9).direction == KEEP
    assert (memory([small] * 10).direction, memory([small] * 10).value) == (LOWER, 640 * MIB)
    assert memory([small] * 10 + [of(500 * MIB, GIB)]).direction == KEEP
    assert memory([small] * 10 + [of(1000 * MIB)]).direction == KEEP
    assert memory([small] * 10 + [killed(512 * MIB)]).direction == KEEP


def test_runs_that_failed_for_another_reason_say_nothing_about_need() -> None:
    failed = of(10 * MIB, result="script_failure")

    assert suggest_memory(runs([failed] * 20)) is None
    assert memory([failed, of(GIB)]).runs == 1


def test_a_job_without_a_limit_gets_a_figure_but_no_advice() -> None:
    suggestion = memory([of(GIB, None)] * 10)

    assert (suggestion.value, suggestion.direction, suggestion.limit) == (1280 * MIB, KEEP, None)


def test_where_own_memory_is_unknown_the_working_set_stands_for_it() -> None:
    unknown = {"memory_anon_peak": None, "memory_working_set_peak": GIB, "memory_p95": None}

    assert memory([unknown]).value == 1280 * MIB
    assert suggest_memory(runs([unknown | {"memory_working_set_peak": None}])) is None


def cpus(values: list[dict[str, Any]], most: float | None = None) -> Suggestion:
    suggestion = suggest_cpus(runs(values), most)
    assert suggestion is not None
    return suggestion


THROTTLED = {"cpu_p95": 2.0, "periods": 1000, "throttled_periods": 300, "pressure_cpu_seconds": 60.0}


@pytest.mark.parametrize(("p95", "value"), [(0.01, 0.5), (0.5, 0.5), (0.51, 1.0), (1.7, 2.0), (3.2, 3.5)])
def test_cpus_are_suggested_in_halves(p95: float, value: float) -> None:
    assert cpus([{"cpu_p95": p95}]).value == value


def test_a_job_that_waits_for_its_own_limit_gets_half_as_much_again() -> None:
    suggestion = cpus([THROTTLED] * 3)

    assert (suggestion.value, suggestion.direction, suggestion.reason) == (3.0, RAISE, "throttled")
    assert cpus([{}, {}, {}, THROTTLED, THROTTLED]).direction == KEEP


def test_throttled_without_waiting_is_no_reason_to_raise() -> None:
    assert cpus([THROTTLED | {"pressure_cpu_seconds": 1.0}] * 5).direction == KEEP
    assert cpus([THROTTLED | {"pressure_cpu_seconds": None}] * 5).direction == RAISE


def test_no_more_cpus_than_the_operator_allows() -> None:
    assert cpus([THROTTLED] * 5, most=2.5).value == 2.5
    assert (cpus([THROTTLED] * 5, most=2.0).direction, cpus([THROTTLED] * 5, most=2.0).reason) == (KEEP, "at-bound")


def test_cpus_are_lowered_only_where_ten_runs_all_used_less_than_half() -> None:
    idle = {"cpu_p95": 0.8, "cpu_limit": 2.0}

    assert cpus([idle] * 9).direction == KEEP
    assert (cpus([idle] * 10).direction, cpus([idle] * 10).value) == (LOWER, 1.0)
    assert cpus([idle] * 10 + [{"cpu_p95": 1.1, "cpu_limit": 2.0}]).direction == KEEP


def test_where_cpu_was_not_measured_nothing_is_suggested() -> None:
    assert suggest_cpus(runs([{"cpu_p95": None}] * 20)) is None


def test_the_limit_after_a_kill_is_that_of_the_largest_limit_that_was_not_enough() -> None:
    assert limit_after_kill(runs([killed(2 * GIB), killed(3 * GIB)])) == 4608 * MIB
    assert limit_after_kill(runs([of(GIB)] * 20 + [killed()])) is None
    assert limit_after_kill([a_run(oom_kills=1, memory_limit=None)]) is None


def test_the_hosts_jobs_together() -> None:
    wasteful = {"seconds": 3600.0, "cpu_seconds": 1800.0, "cpu_p95": 0.4, "cpu_limit": 2.0}
    idle = of(512 * MIB, 4 * GIB, memory_working_set_peak=GIB, **wasteful)
    fitting = of(1200 * MIB, key="test", seconds=1800.0, cpu_seconds=900.0, cpu_p95=1.9)

    advice = advise(runs([fitting, *[idle] * 10]))
    totals = total(one.totals for one in advice)

    assert [one.newest.key for one in advice] == ["build:frontend", "test"]
    assert (totals.jobs, totals.hours, totals.cpu_hours) == (11, 10.5, 5.25)
    assert totals.memory_reserved == 41.0
    assert totals.memory_used == pytest.approx(10 + 0.5 * 1_990_000_000 / GIB)
    assert totals.memory_savable == pytest.approx(10 * (4 - 0.625))
    assert (totals.cpu_reserved, totals.cpu_savable) == (21.0, 15.0)
    prices = Prices(cpu_hour=0.02, memory_gib_hour=0.004)
    assert totals.cost(prices) == pytest.approx(21 * 0.02 + 41 * 0.004)
    assert totals.savable(prices) == pytest.approx(15 * 0.02 + 33.75 * 0.004)


def test_bounds_hold_for_all_of_it() -> None:
    (advice,) = advise(runs([killed()]), Bounds(memory=int(2.5 * GIB)))

    assert [(one.value, one.direction) for one in advice.suggestions] == [(2.5 * GIB, RAISE)]
