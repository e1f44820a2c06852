"""Tables for a person's eyes: at most 100 columns on a terminal, else lines divided by tabs."""

from __future__ import annotations

import sys

from executor import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 100


def print_rows(headings: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: Sequence[str], empty: str) -> None:
    """Print the rows; on a terminal `empty` where there is none. Columns in `numeric` are short and never broken."""
    safe = [[terminal.printable(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in (list(headings), *safe):
            terminal.show("\t".join(cell.replace("\t", "?") for cell in row))
    elif safe:
        _print_table(headings, safe, numeric)
    else:
        terminal.show(empty)


def _print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for heading in headings:
        is_number = heading in numeric
        table.add_column(heading, overflow="fold", no_wrap=is_number, justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = terminal.console()
    console.width = min(console.width, WIDTH)
    console.print(table)
