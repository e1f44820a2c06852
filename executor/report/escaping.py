"""Text of a job's in a page: shown as it is, and nothing else."""

from __future__ import annotations

from html import escape

from executor.terminal import printable

LONGEST = 600


def escaped(text: str) -> str:
    """`text` for HTML, in an element or a quoted attribute: no markup, no control characters, no end of lines."""
    return escape(printable(text[:LONGEST]), quote=True)


def cells(row: list[str]) -> str:
    """The cells of a table's row; the first is its name."""
    name, *others = row
    return f'<td class="name">{escaped(name)}</td>' + "".join(f"<td>{escaped(text)}</td>" for text in others)
