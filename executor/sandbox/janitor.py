"""Finding what crashes left: jobs whose runner is gone, and labelled things of jobs that have no state.

Never a global prune: only things that carry our label and this state folder's name are looked at, and of those only
the ones whose job no longer lives.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from executor.errors import ExecutorError
from executor.plan.naming import STATE_LABEL
from executor.sandbox.keeping import seconds_left
from executor.sandbox.liveness import lives
from executor.sandbox.state import load_of_any_version, mark_ended
from executor.sandbox.teardown import engine_in, remove_job

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.engine.client import Engine

# A job's folder exists a moment before its state does.
BIRTH_SECONDS = 60.0
SWEEP_SECONDS = 60.0

# The share of one sweep: what is left after that, the next one finds.
MOST_AT_ONCE = 20
SIDE_BY_SIDE = 4


def dead_jobs(state_dir: str) -> list[str]:
    """Folders of jobs that nobody will end any more."""
    jobs = f"{state_dir}/jobs"
    folders = [f"{jobs}/{name}" for name in sorted(os.listdir(jobs))] if os.path.isdir(jobs) else []
    return [folder for folder in folders if _is_dead(folder)]


def sweep(state_dir: str, engine: Engine, dead: list[str]) -> None:
    """Remove the `dead` jobs of this state folder and the labelled things that belong to none of its jobs.

    A bounded number of them; each is marked before the first is removed, so that sweeps of other jobs take others.
    """
    share = dead[:MOST_AT_ONCE]
    for folder in share:
        mark_ended(folder)
    _end_side_by_side(share, engine)
    for folder in sorted(stateless_jobs(state_dir, engine))[:MOST_AT_ONCE]:
        remove_job(engine, folder, {"prepared": True})


def _end_side_by_side(folders: list[str], engine: Engine) -> None:
    """Removing one job is mostly waiting: for the Engine, and for what a `prepare` that was cut off has asked of it."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        list(pool.map(lambda folder: end_job(folder, engine), folders))


def stateless_jobs(state_dir: str, engine: Engine) -> set[str]:
    """Job folders that labels of this state folder name and that do not exist."""
    named: set[str] = set()
    for kind in ("containers", "networks", "volumes"):
        found = engine.labelled(kind, STATE_LABEL).value() or []
        things = found.get("Volumes") or [] if isinstance(found, dict) else found
        named |= {str((thing.get("Labels") or {}).get(STATE_LABEL)) for thing in things}
    return {folder for folder in named if os.path.dirname(folder) == f"{state_dir}/jobs" and not os.path.isdir(folder)}


def sweep_is_due(state_dir: str) -> bool:
    """Whether nobody has looked for stateless things within SWEEP_SECONDS; the caller is taken to look now."""
    marker = f"{state_dir}/swept"
    if os.path.exists(marker) and not _older_than(marker, SWEEP_SECONDS):
        return False
    with open(marker, "w"):
        return True


def end_job(folder: str, otherwise: Engine | None = None) -> None:
    """Mark a job ended and remove what is left of it. What fails now is left for the next sweep.

    Where the Engine of the job's state does not answer (the operator had its address wrong), `otherwise` is asked:
    a job that never had an Engine must not hold its folder for ever.
    """
    mark_ended(folder)
    if os.path.exists(f"{folder}/usage"):
        _keep_what_was_used(folder)
    facts = _facts(folder)
    if not _removed(folder, facts, lambda: engine_in(facts)) and otherwise:
        _removed(folder, facts, lambda: otherwise)


def _keep_what_was_used(folder: str) -> None:
    """Record what is known of a job whose `cleanup` has not: nothing wrong with that may keep it from being removed."""
    from contextlib import suppress

    from executor.sandbox.measured_end import keep_what_was_used

    with suppress(Exception):
        keep_what_was_used(folder)


def _removed(folder: str, facts: dict[str, Any], engine: Callable[[], Engine]) -> bool:
    try:
        remove_job(engine(), folder, facts)
    except (ExecutorError, OSError):
        return False
    return True


def _is_dead(folder: str) -> bool:
    """Whether the job of `folder` is over or its runner gone. One that is kept for a look lives until its time is over.

    One that has ended is somebody else's to remove, unless that one died as well. One that another version of the
    driver prepared lives all the same.
    """
    if os.path.exists(f"{folder}/ended"):
        return _older_than(f"{folder}/ended", BIRTH_SECONDS)
    if (left := seconds_left(folder)) is not None:
        return left <= 0
    try:
        return not lives(load_of_any_version(folder)["claim"])
    except (ExecutorError, KeyError, TypeError):
        return _older_than(folder, BIRTH_SECONDS)


def _older_than(path: str, seconds: float) -> bool:
    try:
        return time.time() - os.stat(path).st_mtime > seconds
    except FileNotFoundError:
        return False


def _facts(folder: str) -> dict[str, Any]:
    try:
        return load_of_any_version(folder)
    except ExecutorError:
        return {}
