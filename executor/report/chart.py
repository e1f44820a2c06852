"""A curve over the time of a job, in characters: a few rows high, with its limit where that is near."""

from __future__ import annotations

from executor.report.sparkline import reduced
from executor.report.words import cores, size, span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.usage.model import Series

HEIGHT = 6
WIDTH = 100
EIGHTHS = " ▁▂▃▄▅▆▇█"
# In ASCII a cell is empty, half full or full.
ASCII_PARTS = " .#"
AXIS_WIDTH = 9
# A limit further away than this would press the curve to the ground.
NEAR_LIMIT = 2.0


def chart(title: str, series: Series, limit: float | None, *, unicode: bool, width: int = WIDTH) -> list[str]:
    """Lines of at most `width` characters: a title with the highest point, the rows, and the time below them."""
    values = reduced(series.offsets, series.highs, width - AXIS_WIDTH - 2)
    highest = max([*values, 0.0])
    top = limit if limit and highest <= limit <= NEAR_LIMIT * highest else highest or 1.0
    words = _words(series)
    unit = "" if series.unit == "bytes" else " CPUs"
    heading = f"{title}  up to {words(highest)}{unit}{f', limit {words(limit)}{unit}' if limit else ''}"
    rows = [_row(values, row, top, unicode=unicode) for row in range(HEIGHT, 0, -1)]
    marks = [words(top), *[""] * (HEIGHT - 2), "0"]
    bar, corner, line = ("│", "└", "─") if unicode else ("|", "+", "-")
    body = [f"{mark:>{AXIS_WIDTH}} {bar}{row}".rstrip() for mark, row in zip(marks, rows, strict=True)]
    end = span(series.offsets[-1] - series.offsets[0])
    floor = f"{'':>{AXIS_WIDTH}} {corner}{line * len(values)}"
    return [heading, *body, floor, f"{'':>{AXIS_WIDTH}}  0{end:>{max(len(end) + 1, len(values) - 1)}}"]


def _words(series: Series) -> Callable[[float | None], str]:
    return size if series.unit == "bytes" else cores


def _row(values: list[float], row: int, top: float, *, unicode: bool) -> str:
    """Row `row` (1 is the lowest) of HEIGHT: each cell as full as its value reaches into it."""
    parts = EIGHTHS if unicode else ASCII_PARTS
    cells = (min(max(value / top * HEIGHT - (row - 1), 0.0), 1.0) for value in values)
    return "".join(parts[round(share * (len(parts) - 1))] for share in cells)
