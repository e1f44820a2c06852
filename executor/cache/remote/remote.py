"""The caches of other hosts: looked for before a job, uploaded after it. Nothing here ever fails a job.

Everything that takes time to load is loaded by the first use: jobs without a bucket do not pay for it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from executor.cache.remote.failures import Unreachable
from executor.cache.store.failures import CacheFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from executor.cache.remote.pull import Progress, Pulled
    from executor.cache.remote.push import PushResult
    from executor.cache.store.model import Place, Snapshot
    from executor.cache.store.store import Store
    from executor.settings.model import Settings

# The types of `[runners.cache]` that are read here.
TYPES = ("s3",)


class Remote:
    """The bucket of the runner's settings, for one process: once it is out of reach it is not asked again."""

    def __init__(self, settings: Settings) -> None:
        from executor.cache.remote.bucket import Bucket

        self._settings = settings
        self._bucket = Bucket(settings.runner)
        self._is_lost = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Remote | None:
        """The remote caches; None where none are configured, or of a type or in a way that is not read here."""
        if settings.runner.cache.type not in TYPES:
            return None
        from executor.settings.buckets import is_usable

        return cls(settings) if is_usable(settings.runner.cache.s3) else None

    def pull(
        self,
        store: Store,
        places: Sequence[Place],
        lease: str,
        progress: Progress | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> Snapshot | None:
        """The first cache of `places` where the bucket has a newer one than the store, fetched, and pinned for `lease`.

        None is: use what the store has. `progress` is called with the bytes that have arrived and that will have.
        Never raises but for the end of the process; a failure is one line for `tell` (by default a notice in the job
        log), and a miss.
        """
        if self._is_lost:
            return None
        try:
            pulled = self._pulled(store, places, lease, progress)
        except CacheFailure as failure:
            self._is_lost = isinstance(failure, Unreachable)
            _tell(failure.one_line(), tell)
            return None
        except Exception as error:
            _tell(f"The bucket of caches cannot be used: {type(error).__name__}.", tell)
            return None
        if pulled.failure:
            _tell(pulled.failure.one_line(), tell)
        return pulled.snapshot

    def push(self, store: Store, snapshot: Snapshot, progress: Progress | None = None) -> PushResult:
        """Upload what the store has at the snapshot's place now: that snapshot, or a newer one.

        For a process after the job: it may take minutes. Killed at any point, the bucket has the old version or the new
        one. Never raises but for the end of the process.
        """
        from executor.cache.remote.push import PushResult

        try:
            return self._pushed(store, snapshot, progress)
        except CacheFailure as failure:
            return PushResult(False, failure=failure.one_line())
        except Exception as error:
            return PushResult(False, failure=f"The bucket of caches cannot be used: {type(error).__name__}.")

    def _pulled(self, store: Store, places: Sequence[Place], lease: str, progress: Progress | None) -> Pulled:
        import asyncio

        from executor.cache.remote.pull import Pull
        from executor.settings.units import parse_bytes

        quota = parse_bytes(self._settings.cache.quota) if self._settings.cache.quota else math.inf
        return asyncio.run(Pull(self._bucket, store, lease, quota, progress).run(places))

    def _pushed(self, store: Store, snapshot: Snapshot, progress: Progress | None) -> PushResult:
        import asyncio

        from executor.cache.remote.push import Push
        from executor.settings.units import parse_duration

        expiry = self._settings.cache.bucket_expiry
        stale = parse_duration(expiry) / 2 if expiry else math.inf
        most = self._settings.runner.cache.max_uploaded_archive_size
        return asyncio.run(Push(self._bucket, store, most, stale, progress).run(snapshot.place))


def _tell(line: str, tell: Callable[[str], None] | None) -> None:
    from executor.terminal import log_notice

    (tell or log_notice)(line)
