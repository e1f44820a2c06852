"""Sizes, CPU counts, spans of time. The expected values are those of docker/go-units and of Go's big.Rat."""

from __future__ import annotations

import pytest

from executor.settings.units import parse_bytes, parse_cpus, parse_duration


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("0", 0),
        ("1048576", 1048576),
        ("100b", 100),
        ("64k", 65536),
        ("512m", 536870912),
        ("2g", 2147483648),
        ("2G", 2147483648),
        ("2gb", 2147483648),
        ("2GiB", 2147483648),
        ("2 g", 2147483648),
        ("1.5g", 1610612736),
        (".5k", 512),
        ("1.9b", 1),
        ("1t", 1099511627776),
        ("1p", 1125899906842624),
    ],
)
def test_sizes(size: str, expected: int) -> None:
    assert parse_bytes(size) == expected


@pytest.mark.parametrize(
    "size",
    ["", "g", "-1", "2x", "2gx", "2gibb", "2bb", " 2g", "2  g", "2g ", "1_000", "inf", "nan", "1e999", "9999p", "٢g"],
)
def test_what_is_no_size(size: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_bytes(size)


@pytest.mark.parametrize(
    ("cpus", "expected"),
    [
        ("0", 0),
        ("2", 2_000_000_000),
        ("+2", 2_000_000_000),
        ("0.5", 500_000_000),
        (".5", 500_000_000),
        ("1.", 1_000_000_000),
        ("0.29", 290_000_000),
        ("0.0000000019", 1),
        ("3/2", 1_500_000_000),
        ("1/3", 333_333_333),
        ("5e-1", 500_000_000),
        ("1E+1", 10_000_000_000),
    ],
)
def test_cpus(cpus: str, expected: int) -> None:
    assert parse_cpus(cpus) == expected


@pytest.mark.parametrize(
    "cpus",
    ["", "two", "-1", ".", "1/0", "1/2/3", "/2", "1e", "1e+-5", "e5", "1,5", "1 ", "1_0", "inf", "1e99999999", "1e30"],
)
def test_what_is_no_number_of_cpus(cpus: str) -> None:
    with pytest.raises(ValueError, match="not a number of CPUs"):
        parse_cpus(cpus)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90", 90),
        ("45s", 45),
        ("30m", 1800),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1d2h3m4s", 93784),
        ("5m30", 330),
    ],
)
def test_spans_of_time(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "m", "-1", "-5m", "5 m", "1.5h", "5x", "30m1h", "1h1h", "1e3", "٣m", "9" * 30, "5m\n"]
)
def test_what_is_no_span_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="not a span of time"):
        parse_duration(text)
