"""What can go wrong with a cache: never the job's end, always a line of its log."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from executor.errors import SystemFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

CAUSES = {
    errno.ENOSPC: ("The disk is full.", "Free space there, or lower the quota of caches."),
    errno.EDQUOT: ("The disk quota is used up.", "Free space there, or lower the quota of caches."),
    errno.EROFS: ("The file system is read-only.", "Look for disk errors in `dmesg`, then mount it read-write."),
    errno.EIO: ("The disk reports errors.", "Look for disk errors in `dmesg`."),
    errno.EMFILE: ("Too many files are open at once.", "Raise the limit of open files (LimitNOFILE) of the runner."),
    errno.EACCES: ("Permission is denied.", "Run the runner as root, or give its user the folder of caches."),
    errno.EPERM: ("Permission is denied.", "Run the runner as root, or give its user the folder of caches."),
    errno.EXDEV: ("Both ends are not on one file system.", "Put the caches and the builds on one file system."),
}


class CacheFailure(SystemFailure):
    """A cache cannot be used or saved now. What was published before stays as it was."""


class UnsafePath(CacheFailure):
    """A path leads, or was just made to lead, through something that is no folder: a symbolic link, a file."""


class MustCopy(CacheFailure):
    """The upper folder's names differ from those of the layers below: the merged view has to be copied instead."""


class Busy(CacheFailure):
    """Others use the store, and the wait was over."""


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turn an OSError inside into a `CacheFailure` that says `what` happened and why."""
    try:
        yield
    except OSError as error:
        cause, fix = CAUSES.get(error.errno or 0, (f"The system says: {error.strerror or error}.", ""))
        raise CacheFailure(what, cause=cause, fix=fix) from error
