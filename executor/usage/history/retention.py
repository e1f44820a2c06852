"""What goes when a job is added: runs that are too old, and those beyond a job's newest."""

from __future__ import annotations

import time

from executor.usage.history.text import storable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import Connection

    from executor.usage.history.model import Retention
    from executor.usage.model import JobFacts

DAY = 86400
# Rows that one job removes at most: its end is not delayed by years of others.
AT_ONCE = 200
# A clock is believed after so many runs: one that jumps ahead must not make everything old.
WITNESSES = 50
SLACK = 30 * DAY
# Times before this are of a host without a clock, and say nothing about age.
EARLIEST = 1_577_836_800


def prune(connection: Connection, job: JobFacts, retention: Retention) -> None:
    """Remove them, within the caller's transaction."""
    connection.execute(
        "DELETE FROM job_run WHERE run IN (SELECT run FROM job_run WHERE project_id = ? AND key = ?"
        " ORDER BY run DESC LIMIT ? OFFSET ?)",
        (job.project_id, storable(job.key), AT_ONCE, retention.runs),
    )
    connection.execute(
        "DELETE FROM job_run WHERE run IN (SELECT run FROM job_run WHERE began BETWEEN ? AND ? LIMIT ?)",
        (EARLIEST, _now(connection) - retention.days * DAY, AT_ONCE),
    )


def _now(connection: Connection) -> float:
    """The time, but not much later than the oldest of the newest runs: see WITNESSES."""
    (oldest,) = connection.execute(
        "SELECT min(began) FROM (SELECT began FROM job_run ORDER BY run DESC LIMIT ?)", (WITNESSES,)
    ).fetchone()
    return min(time.time(), float(oldest) + SLACK)
