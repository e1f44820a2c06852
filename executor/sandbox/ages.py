"""Spans of time in words."""

from __future__ import annotations

import time

UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def ago(timestamp: str) -> str:
    """How long ago an RFC 3339 timestamp in UTC was: `2 h ago`; `some time ago` where it says nothing useful."""
    try:
        seconds = time.time() - _seconds(timestamp)
    except ValueError:
        return "some time ago"
    if seconds > 10 * 365 * 86400:
        return "some time ago"
    return f"{span(seconds)} ago"


def span(seconds: float) -> str:
    """A span of time in its largest whole unit: `2 h`, `0 s`."""
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), (1, "s"))
    return f"{max(0, int(seconds / size))} {unit}"


def _seconds(timestamp: str) -> float:
    from calendar import timegm

    return float(timegm(time.strptime(timestamp[:19], "%Y-%m-%dT%H:%M:%S")))
