"""The cache stages of a job whose caches come from the store: no script runs for them.

Nothing here fails a job: what goes wrong with a cache is a line of the job log.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from executor.cache.jobs.notes import keep_state, load_caches, load_state
from executor.cache.jobs.view import View
from executor.cache.store.failures import CacheFailure
from executor.cache.store.store import Store
from executor.errors import SUCCESS, ExecutorError
from executor.job.stages import BUILD, HELPER
from executor.sandbox.environment_file import quoted
from executor.sandbox.second_life import MADE_AGAIN
from executor.stages.own import run_own
from executor.terminal import log_warning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.cache.jobs.notes import JobCaches, State
    from executor.cache.remote.remote import Remote

RESTORE = "restore_cache"
MOST_UNTRACKED = 64 * 1024 * 1024


def run_cache_stage(job_folder: str, stage: str, options: Mapping[str, str]) -> int:
    """Restore or save the job's caches. `options` are those of the call: where the settings are."""
    caches = load_caches(job_folder)
    if os.path.exists(f"{job_folder}/{MADE_AGAIN}"):
        # Its containers hold the overlay itself, which stays whatever the host unmounts.
        caches = replace(caches, mounts=False)
    state = load_state(job_folder, len(caches.requests))
    try:
        _run(job_folder, stage, caches, state, options)
    except CacheFailure as failure:
        log_warning(failure.one_line())
    except OSError as error:
        log_warning(f"Caches are left out: {error.strerror or error}.")
    return SUCCESS


def bucket_of(short_token: str, options: Mapping[str, str]) -> Remote | None:
    """The bucket of caches of the runner with this short token; None where it cannot be used, which is no failure."""
    from executor.settings.load import load_settings

    try:
        from executor.cache.remote.remote import Remote

        settings = load_settings(config=options.get("config"), runner=options.get("runner"), short_token=short_token)
        return Remote.from_settings(settings)
    except ImportError as error:
        log_warning(f"The bucket of caches is not used: the module {error.name} is not installed.")
    except ExecutorError as error:
        log_warning(error.one_line())
    return None


def _run(job_folder: str, stage: str, caches: JobCaches, state: State, options: Mapping[str, str]) -> None:
    store, containers = Store(caches.store), JobContainers(job_folder)
    view = View(caches, store, containers)
    try:
        if stage == RESTORE:
            from executor.cache.jobs.restore import Restore

            bucket = bucket_of(caches.bucket_of, options) if caches.bucket_of else None
            Restore(caches, state, store, view, bucket).run()
        else:
            from executor.cache.jobs.save import Save

            Save(caches, state, store, view, containers).run(succeeded=stage == "archive_cache")
    finally:
        keep_state(job_folder, state)


class JobContainers:
    """The job's containers, as the cache stages need them."""

    def __init__(self, job_folder: str) -> None:
        self._job_folder = job_folder

    def see_mount(self, mark: str) -> bool:
        """Whether the helper sees the mount; the build container and services have the same folder the same way."""
        text = f"""
while read -r line; do
  case $line in *{mark}*) exit 0 ;; esac
done < /proc/self/mountinfo
exit 1
"""
        return run_own(self._job_folder, HELPER, text) == SUCCESS

    def untracked(self, project_dir: str) -> list[str] | None:
        """What git says in the helper: the configuration of a checkout is the job's, and never for the host."""

        listing = f"cd '{quoted(project_dir)}' && git ls-files -o -z --directory --no-empty-directory\n"
        path = f"{self._job_folder}/untracked"
        if run_own(self._job_folder, HELPER, listing, output=path):
            return None
        with open(path, "rb") as file:
            names = file.read(MOST_UNTRACKED).split(b"\0")
        os.unlink(path)
        # The last piece is empty, or cut off where there is more than anybody can want.
        return [os.fsdecode(name) for name in names[:-1]]

    def end_leftovers(self) -> None:
        """End what the last stages left running in the build container."""
        from executor.stages.ending import end_abandoned

        try:
            end_abandoned(self._job_folder, BUILD)
        except ExecutorError as error:
            log_warning(error.one_line())
