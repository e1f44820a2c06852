"""Work that nobody has to wait for: done by a process of its own session, with no pipe of the runner's open."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def in_background(work: Callable[[], None]) -> None:
    """Do `work` in a child that outlives us; return at once. The runner waits for whoever holds its pipes."""
    if os.fork():
        return
    try:
        os.setsid()
        _close_the_runners_pipes()
        work()
    finally:
        os._exit(0)


def _close_the_runners_pipes() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.chdir("/")
