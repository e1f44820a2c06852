"""`executor cleanup`: ends the job's sandbox. GitLab hears of the job's end only after this returns, so removal
itself is left to a process in the background."""

from __future__ import annotations

from executor.errors import SUCCESS
from executor.sandbox.background import in_background
from executor.sandbox.keeping import seconds_left, wait_until_over
from executor.sandbox.state import linked_folder, mark_ended


def main(arguments: list[str]) -> int:
    """Note the end and hand the removal on. Runs after every attempt of prepare, whatever that came to."""
    folder = linked_folder()
    if folder is None:
        return SUCCESS
    if seconds_left(folder) is None:
        mark_ended(folder)
    in_background(lambda: _remove(folder))
    return SUCCESS


def _remove(folder: str) -> None:
    """Remove the job, once it is kept no longer: its end is not marked before, for who waits for its folder."""
    wait_until_over(folder)
    from executor.sandbox.janitor import end_job

    end_job(folder)
