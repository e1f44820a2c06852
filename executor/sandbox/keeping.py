"""Keeping a failed job for a look: its containers and folders stay for a while, then go as those of any other job.

    <job>/keep      seconds to keep it if it fails; written by `prepare` where anybody wants it
    <job>/failed    the stage that failed and did not succeed when tried again
    <job>/kept      when the time is over (seconds since the epoch) and how many seconds that was

While `kept` holds, the job counts as living: nobody removes it, and nobody gets its sources folder.
"""

from __future__ import annotations

import os
import time

from executor.sandbox.state import write_private

# Its failure changes nothing for GitLab.
HARMLESS_STAGE = "after_script"

# CI_JOB_STATUS at the end of the job; the job's author may forge it, and could as well let the job fail.
FAILED = ("failed", "timedout")
CANCELED = "canceled"

# A clock that is put right moves; one that jumps must not keep a job for ever.
CLOCK_SECONDS = 3600.0
NAP_SECONDS = 30.0


def ask_to_keep(folder: str, seconds: int) -> None:
    """Note that the job is to be kept if it fails."""
    write_private(f"{folder}/keep", str(seconds))


def note_outcome(folder: str, stage: str, code: int) -> None:
    """Note that a stage failed, or that the one that had failed did it this time."""
    path, name = f"{folder}/failed", stage.encode(errors="replace").decode()
    if code and stage != HARMLESS_STAGE:
        write_private(path, name)
    elif not code and _read(path) == name:
        os.unlink(path)


def keep_if_failed(folder: str, status: str) -> float | None:
    """Keep the job from now on if it has failed; when that is over, in seconds since the epoch, else None.

    `status` is CI_JOB_STATUS: a job that somebody canceled has not failed.
    """
    failed = status in FAILED or os.path.exists(f"{folder}/failed")
    seconds = _read(f"{folder}/keep")
    if status == CANCELED or not failed or not seconds:
        return None
    until = time.time() + int(seconds)
    write_private(f"{folder}/kept", f"{until:.0f} {seconds}")
    return until


def seconds_left(folder: str) -> float | None:
    """How long the job is still kept, 0 or less when the time is over; None where it is not kept at all."""
    try:
        until, seconds = (float(word) for word in _read(f"{folder}/kept").split())
    except ValueError:
        return None
    left = until - time.time()
    return left if left <= seconds + CLOCK_SECONDS else 0.0


def wait_until_over(folder: str) -> None:
    """Sleep until the job is kept no longer, or somebody else has removed it."""
    while (left := seconds_left(folder) or 0.0) > 0:
        time.sleep(min(left, NAP_SECONDS))


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
