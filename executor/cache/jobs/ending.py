"""A job's end: nothing stays mounted, nothing of its caches stays in a folder that the next job works in."""

from __future__ import annotations

import os
from contextlib import suppress

from executor.cache.jobs.marks import remove_marks
from executor.cache.jobs.notes import CACHED, cached_paths, load_caches, load_state
from executor.cache.jobs.view import unmount
from executor.cache.store import overlay, trees, uppers
from executor.cache.store.failures import CacheFailure
from executor.cache.store.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from executor.cache.remote.remote import Remote
    from executor.cache.store.model import Place

WORK = "work"
UNBOUND = 1 << 62
COLLECT_SECONDS = 600.0
COLLECTED = "collected"


def take_apart(folder: str, *, kept: bool) -> None:
    """Unmount what is mounted on the builds folder in `folder`; one that is `kept` for the next job loses all that is
    whole only together with layers.

    Nothing of the job may run any more. May be called again after any part of it. `CacheFailure` while it is in use.
    """
    if not os.path.exists(f"{folder}/{CACHED}"):
        return
    unmount(f"{folder}/{WORK}")
    if kept:
        prefix, roots = cached_paths(folder)
        with trees.folder_at(f"{folder}/{WORK}") as builds:
            uppers.purge(builds, prefix, roots)
            remove_marks(builds)
    with suppress(FileNotFoundError):
        os.unlink(f"{folder}/{CACHED}")


def is_mounted(folder: str) -> bool:
    """Whether a cache is mounted on the builds folder in `folder`."""
    return overlay.mounted(f"{folder}/{WORK}")


def release_lease(store: str, lease: str) -> None:
    """Let go of the layers that a job held."""
    if os.path.isdir(f"{store}/leases"):
        with suppress(CacheFailure):
            Store(store).release(lease)


def work_after(job_folder: str, bucket_of: Callable[[str], Remote | None]) -> Callable[[], None]:
    """What is to be done for the job's caches once the job is over and gone: the job's folder is read now.

    `bucket_of` finds the bucket of the runner with this short token.
    """
    caches = load_caches(job_folder)
    saved = load_state(job_folder, len(caches.requests)).saved
    jobs = os.path.dirname(job_folder)

    def finish() -> None:
        store = Store(caches.store)
        if saved:
            with suppress(CacheFailure):
                store.finish(saved)
            _upload(store, saved, bucket_of(caches.bucket_of) if caches.bucket_of else None)
        if saved and _collection_is_due(caches.store):
            with suppress(CacheFailure):
                quota, age = caches.quota or UNBOUND, caches.max_age or float("inf")
                store.collect_garbage(quota, age, lambda lease: os.path.isdir(f"{jobs}/{lease}"))

    return finish


def _upload(store: Store, places: Iterable[Place], bucket: Remote | None) -> None:
    for place in places if bucket else ():
        with suppress(CacheFailure):
            if bucket and (snapshot := store.peek(place)):
                bucket.push(store, snapshot)


def _collection_is_due(store: str) -> bool:
    """Whether nobody has collected garbage for a while; the caller is taken to do it now."""
    import time

    marker = f"{store}/{COLLECTED}"
    with suppress(FileNotFoundError):
        if time.time() - os.stat(marker).st_mtime < COLLECT_SECONDS:
            return False
    with open(marker, "w"):
        return True
