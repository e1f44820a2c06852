"""A file of lines that several processes append to, and that does not grow without end."""

from __future__ import annotations

import fcntl
import os

# Without O_NONBLOCK a FIFO in the file's place would hold the caller up for ever.
FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC


def append(path: str, line: bytes, most: int) -> None:
    """Append `line`, whole or not at all; the file is readable for its owner alone.

    One that holds `most` bytes or more becomes `path`.1, in the place of an older one. OSError where that fails.
    """
    descriptor = _locked(path)
    try:
        if os.fstat(descriptor).st_size >= most:
            os.rename(path, f"{path}.1")
            os.close(descriptor)
            descriptor = _locked(path)
        _write(descriptor, line)
    finally:
        os.close(descriptor)


def _locked(path: str) -> int:
    """A descriptor of the file that has this name now, locked: another process may have put it aside meanwhile."""
    while True:
        descriptor = os.open(path, FLAGS, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_named(descriptor, path):
            return descriptor
        os.close(descriptor)


def _is_named(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _write(descriptor: int, line: bytes) -> None:
    """One write a line. Half of one, on a disk that has just filled up, is taken back: it would spoil the next."""
    size = os.fstat(descriptor).st_size
    if os.write(descriptor, line) < len(line):
        os.ftruncate(descriptor, size)
        raise OSError(28, "No space left on device")
