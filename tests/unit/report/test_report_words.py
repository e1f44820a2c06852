"""Quantities in words, and curves in characters."""

from __future__ import annotations

import pytest

from executor.report.chart import chart
from executor.report.columns import columns, joined
from executor.report.sparkline import reduced, sparkline
from executor.report.words import change, cores, memory_setting, pair, percent, size, span
from tests.unit.report.builders import GIB, MIB, series


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (512 * MIB, "512 MiB"),
        (1000 * MIB, "1.0 GiB"),
        (9.96 * GIB, "10 GiB"),
        (2**62, "4096 PiB"),
    ],
)
def test_sizes(count: float | None, words: str) -> None:
    assert size(count) == words


def test_two_sizes_share_their_unit() -> None:
    assert pair(310 * MIB, 12 * MIB) == "310 / 12 MiB"
    assert pair(410 * MIB, GIB) == "410 MiB / 1.0 GiB"
    assert (pair(GIB, None), pair(None, GIB)) == ("1.0 GiB", "-")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (-3.0, "0 s"),
        (0.021, "0.021 s"),
        (1.26, "1.3 s"),
        (9.96, "10 s"),
        (59.6, "1 m 00 s"),
        (362.0, "6 m 02 s"),
        (3599.9, "1 h 00 m"),
        (3840.0, "1 h 04 m"),
    ],
)
def test_spans(seconds: float | None, words: str) -> None:
    assert span(seconds) == words


def test_shares_and_differences() -> None:
    assert [percent(95, 100), percent(0.3, 100), percent(0, 100)] == ["95 %", "0.3 %", "0 %"]
    assert [percent(None, 1), percent(1, None), percent(1, 0)] == ["-", "-", "-"]
    assert [change(138, 100), change(62, 100), change(100.2, 100), change(1, 0)] == ["+38 %", "-38 %", "0 %", "-"]
    assert [cores(1.44), cores(0.02), cores(0), cores(None)] == ["1.4", "0.02", "0.0", "-"]


def test_memory_as_gitlab_ci_yml_has_it() -> None:
    assert [memory_setting(3 * GIB), memory_setting(2432 * MIB), memory_setting(1)] == ["3Gi", "2432Mi", "1Mi"]


def test_a_short_spike_stays_visible() -> None:
    values = [1.0] * 500 + [8.0] + [1.0] * 500

    assert "█" in sparkline(range(len(values)), values, 20, unicode=True)
    assert max(reduced(range(len(values)), values, 20)) == 8.0


def test_a_sparkline_of_little() -> None:
    assert sparkline([], [], 20, unicode=True) == ""
    assert sparkline([0.0], [5.0], 20, unicode=True) == "█"
    assert sparkline([0, 1, 2], [0, 0, 0], 20, unicode=True) == "▁▁▁"
    assert sparkline([0, 1, 2, 3], [0, 1, 2, 4], 4, unicode=False) == "_:=#"


def test_times_without_a_value_repeat_the_one_before() -> None:
    assert reduced([0.0, 10.0], [1.0, 2.0], 5) == [1.0, 1.0, 1.0, 1.0, 2.0]


def test_a_chart() -> None:
    lines = chart("memory", series("memory", "bytes", [0, GIB, 2 * GIB]), 3 * GIB, unicode=True, width=20)

    assert lines == [
        "memory  up to 2.0 GiB, limit 3.0 GiB",
        "  3.0 GiB │",
        "          │",
        "          │        █",
        "          │        █",
        "          │    █████",
        "        0 │    █████",
        "          └─────────",
        "           0    10 s",
    ]


def test_a_chart_in_ascii_keeps_to_its_width() -> None:
    for width in (40, 100):
        lines = chart("cpu", series("cpu", "cores", [0.1, 7.9] * 400), None, unicode=False, width=width)

        assert all(len(line) <= width and line.isascii() for line in lines)
        assert "#" in lines[1]


def test_a_row_that_is_too_long_gives_way_in_its_name() -> None:
    rows = [["n" * 90, "1" * 20], ["short", "2"]]

    lines = columns(rows, width=60)

    assert [len(lines[0]), lines[0][38]] == [60, "~"]
    assert lines[1].split() == ["short", "2"]


def test_parts_that_do_not_fit_go_below_the_first() -> None:
    assert joined("stages  ", ["a" * 10, "b" * 10, "c" * 10], " | ", width=34) == [
        "stages  aaaaaaaaaa | bbbbbbbbbb",
        "        cccccccccc",
    ]
