"""What can go wrong with the file of history, in words."""

from __future__ import annotations

from executor.errors import SystemFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import Error


class HistoryError(SystemFailure):
    """The history cannot be read or written. For the driver it is one line of the log, never a failure of the job."""


def explained(error: Error | OSError, path: str) -> HistoryError:
    """The reason, and what to do about it."""
    import sqlite3

    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return HistoryError(
            f"The history of jobs in {path} is in use by something else.",
            cause="It was not let go in time.",
            fix=f"`fuser {path}` shows by what.",
        )
    if code == sqlite3.SQLITE_FULL:
        return HistoryError(f"The disk of {path} is full: this job is not in the history.", fix="Make room on it.")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return HistoryError(
            f"{path} is damaged, or is no history of jobs. It was left as it is.",
            fix=f"Move it away (`mv {path} {path}.damaged`): the next job begins a new one.",
        )
    reason = error.strerror if isinstance(error, OSError) else error
    return HistoryError(f"The history of jobs in {path} cannot be used: {reason}.")
