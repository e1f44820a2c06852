"""Opening the file of history: private, one short transaction at a time, every failure a HistoryError."""

from __future__ import annotations

import os
from contextlib import contextmanager

from executor.usage.history.failures import HistoryError, explained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from sqlite3 import Connection

NAME = "history.db"
SECONDS_TO_WAIT = 5.0
# Readers wait for nobody but who locks the whole file. Less than a job's last stage waits for what it shows, which the
# process that measures makes: while that waits, nothing is measured.
SECONDS_TO_READ = 0.2


def history_file(state_dir: str) -> str:
    """Where the history of a host lies."""
    return os.path.join(state_dir, NAME)


@contextmanager
def writing(path: str) -> Iterator[Connection]:
    """One transaction, done when the block ends, undone when it fails. Makes the file where there is none."""
    with _translated(path):
        _make_private(path)
        connection = _connected(path, SECONDS_TO_WAIT)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()


@contextmanager
def reading(path: str) -> Iterator[Connection]:
    """What is in the file; HistoryError where there is none yet."""
    if not os.path.exists(path):
        raise HistoryError(
            "There is no history of jobs on this host yet.",
            cause=f"{path} is written when the first job ends.",
        )
    with _translated(path):
        connection = _connected(path, SECONDS_TO_READ)
        try:
            yield connection
        finally:
            connection.close()


@contextmanager
def _translated(path: str) -> Iterator[None]:
    import sqlite3

    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise explained(error, path) from error
    except (OverflowError, ValueError) as error:
        raise HistoryError(f"A value does not fit into the history of jobs in {path}: {error}.") from error


def _make_private(path: str) -> None:
    """SQLite gives its other files the mode of this one."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))


def _connected(path: str, seconds: float) -> Connection:
    """A connection that commits nothing by itself, to tables of this version. It waits `seconds` for others."""
    import sqlite3

    from executor.usage.history.schema import migrate

    connection = sqlite3.connect(path, timeout=seconds, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection
