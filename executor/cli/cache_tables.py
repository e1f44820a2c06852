"""Caches for a person's eyes: tables of at most 100 columns on a terminal, else lines divided by tabs."""

from __future__ import annotations

import sys
import time

from executor import terminal
from executor.cli.cache_words import line, shown_key
from executor.report.words import size
from executor.sandbox.ages import span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from executor.cli.cache_choice import Found

WIDTH = 100
HEADINGS = ("Id", "Key", "Project", "Size", "Files", "Age", "Hits", "Job", "Refs", "State")
RUNNER = "Runner"
WORDS = ("Key", "Project", RUNNER)
LEFT = (*WORDS, "Id", "Refs", "State", "Layer", "Digest")


def print_caches(caches: Sequence[Found]) -> None:
    """One row a cache; which runner's it is, where there are several."""
    several = len({one.runner for one in caches}) > 1
    headings = (*HEADINGS, RUNNER) if several else HEADINGS
    rows = [(*_row(one), *((line(one.runner),) if several else ())) for one in caches]
    print_rows(headings, rows, "No caches are kept that could be shown.")


def print_rows(headings: Sequence[str], rows: Sequence[Sequence[str]], otherwise: str) -> None:
    """A table on a terminal, or what to say `otherwise` where it has no rows; else lines, the headings first."""
    if not sys.stdout.isatty():
        for row in (headings, *rows):
            terminal.show("\t".join(line(cell) for cell in row))
    elif rows:
        _print_table(headings, rows)
    else:
        terminal.show(otherwise)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """What is known of one thing: a name and a value a line, aligned on a terminal, else divided by a tab."""
    known = list(facts)
    width = max(len(name) for name, _ in known) + 2
    for name, value in known:
        terminal.show(f"{name:{width}}{line(value)}" if sys.stdout.isatty() else f"{name}\t{line(value)}")


def _row(one: Found) -> tuple[str, ...]:
    snapshot = one.snapshot
    return (
        one.id,
        shown_key(snapshot.place.key),
        snapshot.maker.project,
        size(snapshot.bytes),
        f"{snapshot.files:,}",
        span(time.time() - snapshot.saved),
        f"{one.kept.hits:,}",
        str(snapshot.maker.job_id),
        "protected" if one.is_protected else "all",
        one.state,
    )


def _print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for heading in headings:
        left = heading in LEFT
        table.add_column(heading, overflow="fold", no_wrap=heading not in WORDS, justify="left" if left else "right")
    for row in rows:
        table.add_row(*(Text(line(cell)) for cell in row))
    console = terminal.console()
    console.width = min(console.width, WIDTH)
    console.print(table)
