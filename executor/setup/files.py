"""Files of the operator's, written whole or not at all: in their place only once they are on the disk."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from executor.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE = 0o600
Owner = tuple[int, int]


def read_bytes(path: str) -> bytes | None:
    """What the file holds; None where there is none. OperatorError where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot("read", path, error) from None


def digest(content: bytes) -> str:
    """The SHA-256 of a file's content, as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def owner_of(path: str) -> Owner | None:
    """The uid and gid that own the file; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_uid, status.st_gid


def write(path: str, content: bytes, mode: int, owner: Owner | None) -> None:
    """Put the content where `path` leads. Readers see the old file or the new one, a crash leaves one of them.

    At no time can anybody read it who could not afterwards. OperatorError where it cannot be written.
    """
    place = os.path.realpath(path)
    beside = f"{place}.{os.getpid()}"
    try:
        _write_new(beside, content, mode, owner)
        os.replace(beside, place)
        _sync(os.path.dirname(place))
    except OSError as error:
        if os.path.lexists(beside):
            os.unlink(beside)
        raise cannot("write", path, error) from None


def _write_new(path: str, content: bytes, mode: int, owner: Owner | None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        if owner and owner != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
        file.flush()
        os.fsync(descriptor)


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: str) -> Iterator[None]:
    """Nobody else who asks for this lock changes files of the folder meanwhile; it leaves nothing behind."""
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def cannot(verb: str, path: str, error: OSError) -> OperatorError:
    """What to tell of a file that cannot be read, written or removed."""
    fix = "Call this as root." if isinstance(error, PermissionError) and os.geteuid() else ""
    return OperatorError(f"cannot {verb} {path}: {error.strerror or 'an unknown fault'}.", fix=fix)
