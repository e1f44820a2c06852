"""Sizes in words."""

from __future__ import annotations

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
STEP = 1024


def size(count: float) -> str:
    """Bytes as people say them: `512 MiB`, `1.9 GiB`."""
    units = list(UNITS)
    while count >= STEP and len(units) > 1:
        count /= STEP
        units.pop(0)
    return f"{count:.1f} {units[0]}" if count < 10 and units[0] != "B" else f"{count:.0f} {units[0]}"
