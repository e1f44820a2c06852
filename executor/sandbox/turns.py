"""Turns: of several jobs on this host that need the same thing, one gets it and the others wait.

One file serves all things: each locks a byte of its own in it, so that nothing is left to be cleaned up. The lock of a
process that dies is free.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BYTES = 6


@contextmanager
def turn(file: str, thing: str, on_wait: Callable[[], None]) -> Iterator[bool]:
    """Hold `thing` alone in this block; whether another held it before. `on_wait` is called before a wait."""
    import hashlib

    place = int.from_bytes(hashlib.sha256(thing.encode()).digest()[:BYTES], "big")
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _lock(descriptor, place, on_wait)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, place: int, on_wait: Callable[[], None]) -> bool:
    """Lock one byte; whether that took a wait."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except (BlockingIOError, PermissionError):
        on_wait()
        fcntl.lockf(descriptor, fcntl.LOCK_EX, 1, place)
        return True
    return False
