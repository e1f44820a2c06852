"""What a job needs by its history: only looked up where the operator lets limits follow it."""

from __future__ import annotations

import os

from executor.terminal import log_warning
from executor.usage.history.failures import HistoryError
from executor.usage.history.file import history_file
from executor.usage.history.queries import runs_of_job
from executor.usage.keys import job_key
from executor.usage.rightsizing import NEWEST, limit_after_kill

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.job.model import Job


def needed_memory(state_dir: str, job: Job) -> int:
    """Bytes for the build container after an earlier run was killed for its memory; 0 where none was.

    A history that cannot be read is one line of the log, and no reason to fail.
    """
    path = history_file(state_dir)
    if not os.path.exists(path):
        return 0
    try:
        runs = runs_of_job(path, job.project_id, job.project_path, job_key(job.name), limit=NEWEST)
    except HistoryError as error:
        log_warning(f"The job's limits do not follow its history: {error.what}")
        return 0
    return limit_after_kill(runs) or 0
