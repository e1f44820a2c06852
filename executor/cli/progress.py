"""A bar for work that takes a while, on the terminal of standard error; nothing elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from threading import Timer

from executor import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, TaskID

# What is done by then needs no bar.
PATIENCE = 1.0


class Work:
    """Work that a bar may show. Told how far it is, in any unit; of an unknown amount where nobody tells the total."""

    def __init__(self, bar: Progress | None = None, task: TaskID | None = None) -> None:
        self._bar = bar
        self._task = task

    def step(self, count: float) -> None:
        """So much more is done."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, count)

    def reach(self, done: float, total: float) -> None:
        """So much of `total` is done."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total)


@contextmanager
def progress(title: str, total: float | None = None) -> Iterator[Work]:
    """The work of the block. On a terminal a bar shows it from its second second on, until the block ends."""
    if not terminal.moves(sys.stderr):
        yield Work()
        return
    bar = _bar()
    task = bar.add_task(terminal.printable(title), total=total or None)
    start = Timer(PATIENCE, bar.start)
    start.daemon = True
    start.start()
    try:
        yield Work(bar, task)
    finally:
        start.cancel()
        start.join()
        bar.stop()


def _bar() -> Progress:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    title = TextColumn("{task.description}", markup=False, table_column=Column(overflow="fold"))
    bars = [BarColumn(bar_width=30)] if terminal.speaks_unicode(sys.stderr) else []
    return Progress(
        title, *bars, TaskProgressColumn(), TimeElapsedColumn(), console=terminal.console(sys.stderr), transient=True
    )
