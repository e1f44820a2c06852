"""The end of measuring: what the job used goes into the host's history. Nobody waits for it."""

from __future__ import annotations

import os
import time

from executor.sandbox.measuring import DATA, FOLDER, read_data
from executor.sandbox.state import write_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Kinds of failures that are said once.
HISTORY = "history"
TELLING = "telling"

FINAL_SECONDS = 4.0
PAUSE_SECONDS = 0.01


def keep_what_was_used(job_folder: str) -> dict[str, Any] | None:
    """Wait for the last look at the job's containers, then record the job, once. A failure changes nothing for anybody.

    Of several that end the same job one gets the data.
    """
    wait_until_measured(job_folder)
    data = _take_data(job_folder)
    if data is not None:
        _record(data)
    return data


def _record(data: dict[str, Any]) -> None:
    from executor.usage.clues import clues_of
    from executor.usage.history.failures import HistoryError
    from executor.usage.history.file import history_file
    from executor.usage.history.model import Retention
    from executor.usage.history.record import record
    from executor.usage.summary import summarize
    from executor.usage.verdicts import judge

    try:
        usage = summarize(data)
        days, runs = data["retention"]
        verdicts = judge(usage, clues_of(data))
        record(history_file(data["state_dir"]), usage, verdicts, Retention(days=days, runs=runs))
    except HistoryError as error:
        note_failure(data["state_dir"], HISTORY, error.one_line())
    except (KeyError, TypeError, ValueError) as error:
        note_failure(data["state_dir"], HISTORY, f"What jobs used could not be recorded ({type(error).__name__}).")
    else:
        forget_failure(data["state_dir"], HISTORY)


def _take_data(job_folder: str) -> dict[str, Any] | None:
    data = read_data(job_folder)
    try:
        os.unlink(f"{job_folder}/{FOLDER}/{DATA}")
    except OSError:
        return None
    return data


def wait_until_measured(job_folder: str) -> None:
    """Wait until the process that measures the job has ended, as it was told: its last data is there then."""
    deadline = time.monotonic() + FINAL_SECONDS
    while time.monotonic() < deadline and _listens(job_folder):
        time.sleep(PAUSE_SECONDS)


def failures_to_tell(state_dir: str) -> list[str]:
    """What went wrong with earlier jobs, once each: until it went well again, nothing more is said of its kind."""
    return [text for kind in (HISTORY, TELLING) if (text := _failure_to_tell(f"{state_dir}/{kind}.failure"))]


def _failure_to_tell(path: str) -> str:
    try:
        with open(path) as file:
            text = file.read()
        if text:
            write_private(path, "")
    except OSError:
        return ""
    return text


def _listens(job_folder: str) -> bool:
    try:
        os.close(os.open(f"{job_folder}/usage/events", os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def note_failure(state_dir: str, kind: str, text: str) -> None:
    """Leave it for the next `cleanup`, whose words reach the runner's log; an empty file is one that was told."""
    path = f"{state_dir}/{kind}.failure"
    try:
        if not os.path.exists(path):
            write_private(path, text)
    except OSError:
        return


def forget_failure(state_dir: str, kind: str) -> None:
    """It went well again: the next failure is news."""
    try:
        os.unlink(f"{state_dir}/{kind}.failure")
    except OSError:
        return
