"""A stage whose container vanished is run again in a new one, where the job asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.errors import SystemFailure
from executor.sandbox.second_life import allowed_attempts, make_vanished_again
from executor.terminal import log_warning

if TYPE_CHECKING:
    from collections.abc import Callable


def run_in_attempts(job_folder: str, run: Callable[[], int]) -> int:
    """The exit code of `run`, one stage. Only a vanished container is worth another attempt: whatever else ended the
    stage would do so again, or was meant to."""
    most = allowed_attempts(job_folder)
    for attempt in range(2, most + 1):
        try:
            return run()
        except SystemFailure:
            if not make_vanished_again(job_folder):
                raise
        log_warning(f"The job's container was removed from outside. It is made again: attempt {attempt} of {most}.")
    return run()
