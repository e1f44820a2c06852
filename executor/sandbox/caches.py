"""Where the layers of caches lie on this host, and what a job's later calls are told of them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from executor.job.environment import trusted_project_dir
from executor.plan.model import MOUNT
from executor.sandbox.folders import locked
from executor.sandbox.host import runner_folder
from executor.sandbox.state import make_private
from executor.settings.folders import builds_dir, cache_store
from executor.settings.units import parse_bytes, parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.cache.store.overlay import MountLine
    from executor.plan.model import CachePlan, Host
    from executor.sandbox.attempt import Attempt
    from executor.settings.model import Settings

SPLIT = "caches and builds lie on two file systems, or in two mounts of one"
APART = "caches and builds have no folder in common in which mounts could be shared with containers"
MODE = "auto"
HASHED_KEYS = "FF_HASH_CACHE_KEYS"


def store_folder(settings: Settings) -> str:
    """The folder of the layers; "" where this account can neither mount them nor give files to any user."""
    return f"{cache_store(settings)}/{runner_folder(settings)}" if os.geteuid() == 0 else ""


def file_system_obstacle(settings: Settings) -> str:
    """Why layers cannot be mounted below builds, as far as one can tell without making anything; "" for nothing."""
    return "" if _device(cache_store(settings)) == _device(builds_dir(settings)) else SPLIT


def with_store(host: Host, attempt: Attempt, environ: Mapping[str, str]) -> Host:
    """The host with what the plan must know for a job with caches; mounts below the builds folder are shared with
    containers from now on.
    """
    settings, job = attempt.context.settings, attempt.context.job
    store = store_folder(settings) if settings.cache.mode == MODE else ""
    obstacle = file_system_obstacle(settings) or (_sharing_obstacle(settings) if store else "")
    return replace(host, project_dir=trusted_project_dir(environ, job), cache_store=store, cache_obstacle=obstacle)


def keep_job_caches(attempt: Attempt, plan: CachePlan) -> None:
    """Write what the cache stages need, and in the job's state which store holds something for it."""
    from executor.cache.jobs.notes import JobCaches, keep_caches
    from executor.cache.jobs.requests import requests_of
    from executor.cache.store.model import Maker

    job, settings, host = attempt.context.job, attempt.context.settings, attempt.host
    hashed = settings.runner.feature_flags.get(HASHED_KEYS)
    if hashed is None:
        from executor.job.variables import parse_bool

        hashed = parse_bool(host.variables.get(HASHED_KEYS, ""))
    attempt.note({"cache_store": plan.store})
    caches = JobCaches(
        store=plan.store,
        builds=host.builds_host_dir,
        prefix=plan.prefix,
        project_dir=host.project_dir,
        mounts=plan.mode == MOUNT,
        bucket_of=settings.runner.short_token if plan.bucket else "",
        lease=os.path.basename(attempt.folder),
        maker=Maker(job_id=job.id, job_name=job.name, project=job.project_path),
        requests=requests_of(job, host.variables, hashed_keys=hashed),
        quota=parse_bytes(settings.cache.quota or "0"),
        max_age=parse_duration(settings.cache.max_age or "0"),
    )
    keep_caches(attempt.folder, caches)


def _sharing_obstacle(settings: Settings) -> str:
    """Share what is mounted below the folder that holds both builds and caches: moving between them has to stay within
    one mount.
    """
    from executor.cache.store.failures import CacheFailure
    from executor.cache.store.overlay import make_shared

    folders = [builds_dir(settings), cache_store(settings)]
    for folder in folders:
        make_private(folder)
    common = os.path.commonpath([os.path.realpath(folder) for folder in folders])
    try:
        # Two jobs at once would bind the folder twice.
        with locked(common):
            if common == "/" and not any(peer.startswith("shared:") for peer in _mount_of(common).peers):
                return APART
            make_shared(common)
    except CacheFailure as failure:
        return failure.one_line()
    return "" if len({_mount_of(os.path.realpath(folder)).target for folder in folders}) == 1 else SPLIT


def _mount_of(path: str) -> MountLine:
    """The mount that a path without links lies on."""
    from executor.cache.store.overlay import mount_lines

    above = [line for line in mount_lines() if f"{path}/".startswith(f"{line.target.rstrip('/')}/")]
    return max(above, key=lambda line: len(line.target))


def _device(path: str) -> int:
    """The file system of a path, or of the nearest folder above it that is there."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return os.stat(path).st_dev
