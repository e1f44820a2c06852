"""The store's locks: jobs share it, garbage collection has it alone for a moment, and nobody waits for ever.

Who wants the store passes a turnstile first, one at a time. A collector keeps the turnstile while it waits for those
inside, so that ever new ones cannot starve it. The kernel frees the locks of the dead; one that is stopped while it
holds them costs the others a failure, not a hanging job.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from executor.cache.store.failures import Busy

if TYPE_CHECKING:
    from collections.abc import Iterator

# Seconds that a job waits, and that a collector makes others wait.
JOB_WAITS = 10.0
COLLECTOR_WAITS = 3.0


class Locks:
    """The lock files of a store's folder."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    @contextmanager
    def shared(self) -> Iterator[None]:
        """The store, together with others; nothing in use is collected meanwhile. `Busy` after 10 s."""
        deadline = time.monotonic() + JOB_WAITS
        with self._file(".lock") as lock:
            with self._file(".turn") as turn:
                _acquire(turn, fcntl.LOCK_EX, deadline)
                _acquire(lock, fcntl.LOCK_SH, deadline)
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """The store for one collector alone. `Busy` if those inside do not leave within 3 s."""
        deadline = time.monotonic() + COLLECTOR_WAITS
        with self._file(".turn") as turn, self._file(".lock") as lock:
            _acquire(turn, fcntl.LOCK_EX, deadline)
            _acquire(lock, fcntl.LOCK_EX, deadline)
            yield

    @contextmanager
    def one_collector(self) -> Iterator[None]:
        """One garbage collection of the host at a time; `Busy` at once if there is one."""
        with self._file(".gc.lock") as lock:
            _acquire(lock, fcntl.LOCK_EX, 0.0)
            yield

    @contextmanager
    def pointers(self) -> Iterator[None]:
        """One writer of pointers at a time: each save has its own generation. `Busy` after 10 s."""
        with self._file(".pointers") as lock:
            _acquire(lock, fcntl.LOCK_EX, time.monotonic() + JOB_WAITS)
            yield

    @contextmanager
    def facts(self) -> Iterator[None]:
        """One change of a layer's facts at a time. `Busy` after 10 s."""
        with self._file(".facts") as lock:
            _acquire(lock, fcntl.LOCK_EX, time.monotonic() + JOB_WAITS)
            yield

    @contextmanager
    def _file(self, name: str) -> Iterator[int]:
        # Closing an open file ends its lock.
        descriptor = os.open(f"{self._folder}/{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _acquire(descriptor: int, kind: int, deadline: float) -> None:
    pause = 0.0005
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Busy("The store of caches is in use by others.") from None
        time.sleep(pause)
        pause = min(pause * 1.5, 0.01)
