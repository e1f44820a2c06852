"""Sizes, numbers and spans of time for people."""

from __future__ import annotations

UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"), (1, "bytes"))
SPANS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
# A key or path of a job's own choice: what of it the job log shows.
LONGEST = 200
LONG_SECONDS = 10.0


def shown(text: str) -> str:
    """A text from a job for one line of its log: of a long one the beginning."""
    line = "".join(character if character.isprintable() else "?" for character in text[: LONGEST + 1])
    return line if len(text) <= LONGEST else f"{line[:LONGEST]}…"


def size(count: int) -> str:
    """Bytes: `348 MB`, `5.1 MB`."""
    unit, name = next(((unit, name) for unit, name in UNITS if count >= unit), UNITS[-1])
    value = count / unit
    return f"{value:.1f} {name}" if value < 10 and unit > 1 else f"{value:.0f} {name}"


def amount(count: int, one: str) -> str:
    """`24,774 files`, `1 file`."""
    return f"{count:,} {one}{'' if count == 1 else 's'}"


def age(seconds: float) -> str:
    """A span of time in its largest whole unit: `2 h`, `0 s`."""
    unit, name = next(((unit, name) for unit, name in SPANS if seconds >= unit), SPANS[-1])
    return f"{max(0, int(seconds / unit))} {name}"


def took(seconds: float) -> str:
    """How long something took: `21 ms`, `1.5 s`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < LONG_SECONDS else f"{seconds:.0f} s"
