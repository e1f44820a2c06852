"""Plain text for the job log and for pipes: columns that stand under each other, and lines that do not run on."""

from __future__ import annotations

WIDTH = 100
GAPS = ("  ", " ")
NARROWEST = 8


def columns(rows: list[list[str]], *, width: int = WIDTH) -> list[str]:
    """The rows with their cells aligned to the left; gaps, then the first column give way where they are too long."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    gap = next((gap for gap in GAPS if _total(widths, gap) <= width), GAPS[-1])
    widths[0] = max(NARROWEST, min(widths[0], width - _total([0, *widths[1:]], gap)))
    return [
        gap.join(_cut(cell, size).ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip()[:width]
        for row in rows
    ]


def joined(title: str, parts: list[str], separator: str, *, width: int = WIDTH) -> list[str]:
    """`title` and its parts, on further lines below the first part where they do not fit on one."""
    lines, line = [], title
    for number, part in enumerate(parts):
        extended = line + (part if number == 0 or line.isspace() else separator + part)
        if len(extended) > width and number:
            lines.append(line.rstrip())
            extended = " " * len(title) + part
        line = extended
    return [*lines, line.rstrip()[:width]]


def wrapped(text: str, *, indent: str = "", width: int = WIDTH) -> list[str]:
    """A sentence on lines of at most `width`, further ones behind `indent`."""
    from textwrap import wrap

    return wrap(text, width, subsequent_indent=indent, break_on_hyphens=False)


def _total(widths: list[int], gap: str) -> int:
    return sum(widths) + len(gap) * (len(widths) - 1)


def _cut(cell: str, size: int) -> str:
    return cell if len(cell) <= size else f"{cell[: size - 1]}~"
