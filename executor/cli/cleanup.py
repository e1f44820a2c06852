"""`executor cleanup`: ends the job's sandbox. GitLab hears of the job's end only after this returns, so removal
itself is left to a process in the background."""

from __future__ import annotations

import os

from executor.cli.options import split_options
from executor.errors import SUCCESS
from executor.sandbox.background import in_background
from executor.sandbox.keeping import seconds_left, wait_until_over
from executor.sandbox.state import linked_folder, mark_ended
from executor.terminal import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

LONGEST_STATUS = 20


def main(arguments: list[str]) -> int:
    """Note the end and hand the removal on. Runs after every attempt of prepare, whatever that came to."""
    folder = linked_folder()
    if folder is None:
        return SUCCESS
    if os.path.exists(f"{folder}/usage"):
        _end_measuring(folder)
    if seconds_left(folder) is None:
        mark_ended(folder)
    options, _ = split_options(arguments)
    in_background(lambda: _remove(folder, options))
    return SUCCESS


def _remove(folder: str, options: Mapping[str, str]) -> None:
    """Remove the job, once it is kept no longer: its end is not marked before, for who waits for its folder."""
    data = _keep_what_was_used(folder) if os.path.exists(f"{folder}/usage") else None
    wait_until_over(folder)
    from executor.sandbox.janitor import end_job

    afterwards = _work_for_caches(folder, options) if os.path.exists(f"{folder}/caches") else None
    end_job(folder)
    if afterwards:
        afterwards()
    if data and data.get("channels"):
        _tell_gitlab(data)


def _end_measuring(folder: str) -> None:
    """Let the last look be taken, while the containers are still there."""
    from executor.sandbox.measured_end import failures_to_tell
    from executor.stages.measured import tell

    tell(folder, "finish", os.environ.get("CUSTOM_ENV_CI_JOB_STATUS", "")[:LONGEST_STATUS])
    for text in failures_to_tell(os.path.dirname(os.path.dirname(folder))):
        complain(text)


def _keep_what_was_used(folder: str) -> dict[str, Any] | None:
    """Record it. Nothing that goes wrong here may keep the job's things from being removed."""
    from executor.sandbox.measured_end import keep_what_was_used

    try:
        return keep_what_was_used(folder)
    except Exception:
        return None


def _tell_gitlab(data: dict[str, Any]) -> None:
    """Tell GitLab what is news of the job, where the operator wants that."""
    from executor.stages.news import tell_news

    tell_news(data)


def _work_for_caches(folder: str, options: Mapping[str, str]) -> Callable[[], None] | None:
    """What its caches leave to be done when the job is gone. Caches that nobody can tell of keep nothing else here."""
    from executor.cache.jobs.ending import work_after
    from executor.stages.caching import bucket_of

    try:
        return work_after(folder, lambda short_token: bucket_of(short_token, options))
    except (OSError, ValueError, KeyError, TypeError):
        return None
