"""Human durations such as `1h 30m`, `3 weeks and 2 days`, `1:30:00` or plain seconds."""

from __future__ import annotations

import re

_SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86_400,
    "week": 604_800,
    "month": 2_592_000,
    "year": 31_557_600,
}
_SHORT = {
    "s": "second", "sec": "second", "secs": "second", "m": "minute", "min": "minute", "mins": "minute",
    "h": "hour", "hr": "hour", "hrs": "hour", "d": "day", "w": "week", "wk": "week", "wks": "week",
    "mo": "month", "mos": "month", "y": "year", "yr": "year", "yrs": "year",
}  # fmt: skip
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")
_CLOCK = re.compile(r"\d+(?::\d+){1,3}")


def parse_duration(text: str) -> int | None:
    """Seconds, or None where `text` is no duration. A number without a unit counts seconds."""
    words = re.sub(r"\band\b|,|\+", " ", text.strip().lower()).strip()
    if _CLOCK.fullmatch(words):
        return _clock(words)
    if not words or not re.fullmatch(rf"(?:{_PART.pattern}\s*)+", words):
        return None
    parts = [_part(number, unit) for number, unit in _PART.findall(words)]
    return None if None in parts else round(sum(part for part in parts if part is not None))


def _clock(text: str) -> int:
    """`minutes:seconds`, `hours:minutes:seconds` or with days before."""
    units = (1, 60, 3600, 86_400)
    return sum(int(part) * unit for part, unit in zip(reversed(text.split(":")), units, strict=False))


def _part(number: str, unit: str) -> float | None:
    name = _SHORT.get(unit, unit.removesuffix("s")) if unit else "second"
    return float(number) * _SECONDS[name] if name in _SECONDS else None
