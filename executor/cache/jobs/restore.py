"""Restoring a job's caches: found, then mounted all at once; those that cannot be mounted are copied."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from executor.cache.jobs import view, words
from executor.cache.jobs.overlaps import overlapping
from executor.cache.store import trees, uppers
from executor.cache.store.failures import CacheFailure, MustCopy, UnsafePath
from executor.terminal import log, log_notice, log_step, log_warning

if TYPE_CHECKING:
    from executor.cache.jobs.model import Candidate, Request
    from executor.cache.jobs.notes import JobCaches, State
    from executor.cache.remote.remote import Remote
    from executor.cache.store.model import Snapshot
    from executor.cache.store.store import Store

NO_URL = (
    "No URL provided, cache will not be downloaded from shared cache server. "
    "Instead a local version of cache will be extracted."
)


class Restore:
    """The restore_cache stage of one job. Whatever goes wrong is a line of its log, never its end."""

    def __init__(
        self, caches: JobCaches, state: State, store: Store, sight: view.View, bucket: Remote | None = None
    ) -> None:
        self._caches = caches
        self._bucket = bucket
        self._state = state
        self._store = store
        self._view = sight
        self._took: dict[int, float] = {}

    def run(self) -> None:
        """Restore all caches; the state then tells how."""
        if self._view.is_mounted:
            # An earlier try of this stage was cut off.
            view.unmount(self._caches.builds)
        for index, request in enumerate(self._caches.requests):
            began = time.monotonic()
            self._state.restored[index] = self._looked_up(request)
            self._took[index] = time.monotonic() - began
        self._mount()
        for index, snapshot in enumerate(self._state.restored):
            if snapshot and (self._state.mounted[index] or self._copied(index, snapshot)):
                self._tell(index, snapshot)

    def _looked_up(self, request: Request) -> Snapshot | None:
        for notice in request.notices:
            log_notice(words.shown(notice))
        if not request.candidates:
            log_step("Skipping cache extraction due to empty cache key")
            return None
        if not request.restores:
            log_step(f"Not downloading cache {words.shown(request.candidates[0].name)} due to policy")
            return None
        places = [candidate.place for candidate in request.candidates]
        fetched = self._bucket.pull(self._store, places, self._caches.lease) if self._bucket else None
        try:
            found = fetched or self._store.find(places, self._caches.lease)
        except CacheFailure as failure:
            log_warning(failure.one_line())
            found = None
        _tell_look_up(request.candidates, found, _source(fetched, self._bucket))
        return found

    def _mount(self) -> None:
        """Mount those that fit. If the kernel or the containers do not play along all are copied."""
        self._state.mounted = self._fitting()
        if not any(self._state.mounted):
            return
        began = time.monotonic()
        try:
            roots = {root for snapshot in self._state.snapshots() for root in snapshot.roots}
            self._view.mount(self._state.layers(), roots)
        except (CacheFailure, OSError) as failure:
            self._state.mounted = [False] * len(self._state.mounted)
            reason = failure.one_line() if isinstance(failure, CacheFailure) else str(failure.strerror)
            log_warning(f"Caches are copied, not mounted: {reason}")
        for index, is_mounted in enumerate(self._state.mounted):
            self._took[index] += time.monotonic() - began if is_mounted else 0.0

    def _fitting(self) -> list[bool]:
        if not self._caches.mounts:
            return [False] * len(self._state.restored)
        with trees.folder_at(self._caches.builds) as builds:
            return [
                snapshot is not None and self._fits(index, snapshot, builds)
                for index, snapshot in enumerate(self._state.restored)
            ]

    def _fits(self, index: int, snapshot: Snapshot, builds: int) -> bool:
        """Whether the cache can lie below the job's files: nothing of it is there, and no other cache's is in it.

        A cache is laid over what the checkout holds, and a later cache over an earlier one.
        """
        others = [other for at, other in enumerate(self._state.restored) if other and at != index]
        return (
            snapshot.prefix == self._caches.prefix
            and not any(overlapping(snapshot.roots, other.roots) for other in others)
            and all(_is_free(builds, trees.join(snapshot.prefix, root)) for root in snapshot.roots)
        )

    def _copied(self, index: int, snapshot: Snapshot) -> bool:
        began = time.monotonic()
        try:
            with trees.folder_at(self._caches.builds) as builds:
                self._store.materialise(snapshot, builds, self._caches.prefix)
        except CacheFailure as failure:
            log_warning(failure.one_line())
            log_notice("Failed to extract cache")
            self._state.restored[index] = None
            return False
        self._took[index] += time.monotonic() - began
        return True

    def _tell(self, index: int, snapshot: Snapshot) -> None:
        how = words.amount(len(snapshot.layers), "layer") if self._state.mounted[index] else "copied"
        maker = snapshot.maker
        facts = [
            words.size(snapshot.bytes),
            words.amount(snapshot.files, "file"),
            how,
            f"{words.age(time.time() - snapshot.saved)} old (job {maker.job_id})",
        ]
        log(f"restored {words.shown(snapshot.place.key)} in {words.took(self._took[index])}: {', '.join(facts)}")
        log_step("Successfully extracted cache")


def _source(fetched: Snapshot | None, bucket: Remote | None) -> str:
    """Where a cache comes from, in the runner's words where it has some."""
    if fetched:
        return "Fetched from the bucket of caches."
    return "This host has the newest version." if bucket else NO_URL


def _tell_look_up(candidates: tuple[Candidate, ...], found: Snapshot | None, source: str) -> None:
    """What the runner's scripts say: each key that is tried, and what came of it."""
    for candidate in candidates:
        log_step(f"Checking cache for {words.shown(candidate.name)}...")
        if found and found.place == candidate.place:
            log(source)
            return
        log_notice("WARNING: Cache file does not exist")
        log_notice("Failed to extract cache")


def _is_free(builds: int, path: str) -> bool:
    """Whether nothing of the job's is at a path, or where its parents ought to be."""
    with suppress(UnsafePath, MustCopy):
        return uppers.state_of(builds, path) == (uppers.UNTOUCHED, False)
    return False
