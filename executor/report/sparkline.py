"""A series of numbers as one line of characters."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.:-=+*#"


def sparkline(offsets: Sequence[float], values: Sequence[float], width: int, *, unicode: bool, top: float = 0) -> str:
    """At most `width` characters over the time of `offsets`; each shows the largest value of its share of the time.

    `top` is the value of the highest character, the largest value by default. Times without a value repeat the last.
    """
    buckets = reduced(offsets, values, min(width, len(values)))
    blocks = BLOCKS if unicode else ASCII_BLOCKS
    highest = max(top, *buckets, 0) if buckets else 0
    return "".join(_block(value, highest, blocks) for value in buckets)


def reduced(offsets: Sequence[float], values: Sequence[float], count: int) -> list[float]:
    """The largest value of each of `count` equal shares of the time from the first offset to the last."""
    if not values or count < 1:
        return []
    begin, length = offsets[0], (offsets[-1] - offsets[0]) or 1
    found: list[float | None] = [None] * count
    for offset, value in zip(offsets, values, strict=False):
        index = min(count - 1, max(0, int((offset - begin) / length * count)))
        known = found[index]
        found[index] = value if known is None else max(known, value)
    return _filled(found)


def _filled(values: list[float | None]) -> list[float]:
    filled: list[float] = []
    for value in values:
        filled.append(value if value is not None else filled[-1] if filled else 0)
    return filled


def _block(value: float, highest: float, blocks: str) -> str:
    level = int(value / highest * len(blocks)) if highest > 0 else 0
    return blocks[min(max(level, 0), len(blocks) - 1)]
