"""Curves: bounded whatever the job's time, true to its mean, and with every spike."""

from __future__ import annotations

import pytest

from executor.usage.curve import MOST_POINTS, Curve


def filled(seconds: int, *, spike_at: int = -1) -> Curve:
    """A curve of 1.0 every second, with one second of 50."""
    curve = Curve()
    for second in range(seconds):
        curve.add(float(second), 50.0 if second == spike_at else 1.0, 1.0)
    return curve


@pytest.mark.parametrize("seconds", [1, 24, 239, 3600, 86400])
def test_a_job_of_any_length_has_a_bounded_number_of_points(seconds: int) -> None:
    offsets, means, highs = filled(seconds).as_lists()

    assert 0 < len(offsets) <= MOST_POINTS
    assert len(offsets) == len(means) == len(highs)
    assert offsets == sorted(offsets)
    assert offsets[-1] <= seconds


def test_a_spike_of_a_second_is_seen_in_a_day() -> None:
    _, means, highs = filled(86400, spike_at=50_000).as_lists()

    assert max(highs) == 50.0
    assert max(means) < 1.2


def test_the_mean_is_by_time_not_by_looks() -> None:
    """Ten looks in the first second weigh as much as one in the next."""
    curve = Curve()
    for tenth in range(10):
        curve.add(tenth / 10, 4.0, 0.1)
    curve.add(2.0, 0.0, 1.0)
    while curve.width < 4:
        curve.add(curve.width * (MOST_POINTS + 1), 0.0, 0.0)

    _, means, _ = curve.as_lists()
    assert means[0] == pytest.approx(2.0)


def test_quiet_times_have_no_points() -> None:
    curve = Curve()
    curve.add(0.0, 1.0, 1.0)
    curve.add(1000.0, 3.0, 1.0)

    assert curve.as_lists()[1] == [1.0, 3.0]
