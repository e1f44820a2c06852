"""What a job sees of its folder: its own files, and the layers of its caches mounted below them.

The folder itself is the overlay's upper folder, and the overlay is mounted on top of it. While it is mounted only the
kernel touches what lies below; to change that, the view is taken apart and put together again.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from executor.cache.jobs.notes import keep_cached_paths
from executor.cache.store import overlay
from executor.cache.store.failures import CacheFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from executor.cache.jobs.containers import Containers
    from executor.cache.jobs.notes import JobCaches
    from executor.cache.store.store import Store

WORK = "overlay-"
PAUSES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)


class View:
    """The view of one job; `containers` are those that it must be seen in."""

    def __init__(self, caches: JobCaches, store: Store, containers: Containers) -> None:
        self._caches = caches
        self._store = store
        self._containers = containers

    @property
    def is_mounted(self) -> bool:
        """Whether there are layers below the job's files now."""
        return overlay.mounted(self._caches.builds)

    def mount(self, layers: Sequence[str], roots: Iterable[str]) -> None:
        """Put `layers` (ids, the top one first) below the job's files; `roots` are the paths below the project that
        they hold. `CacheFailure` where the kernel refuses, or where the containers do not see it: nothing is mounted
        then.
        """
        builds = self._caches.builds
        mark = f"{WORK}{os.urandom(6).hex()}"
        keep_cached_paths(builds, self._caches.prefix, roots)
        paths = [self._store.layer_path(layer) for layer in layers]
        overlay.mount(builds, paths, builds, f"{os.path.dirname(builds)}/{mark}")
        if not self._containers.see_mount(mark):
            unmount(builds)
            raise CacheFailure(
                "The job's containers do not see what is mounted in their builds folder.",
                cause="The Docker Engine runs in a mount namespace of its own.",
                fix='Set mode = "archive" under [cache] in executor.toml.',
            )

    def unmount(self) -> None:
        """Take the layers away. What a stage left running in the build container is ended if it is in the way;
        `StillInUse` where something else is.
        """
        try:
            overlay.unmount(self._caches.builds)
        except overlay.StillInUse:
            self._containers.end_leftovers()
            patiently(lambda: overlay.unmount(self._caches.builds))
        remove_works(os.path.dirname(self._caches.builds))


def unmount(builds: str) -> None:
    """Take away whatever overlay is mounted on a job's folder, patiently, and the kernel's work folders beside it."""
    while overlay.mounted(builds):
        patiently(lambda: overlay.unmount(builds))
    remove_works(os.path.dirname(builds))


def remove_works(folder: str) -> None:
    """Remove the work folders of overlays that are not mounted any more. One that stays is removed with its folder."""
    for name in os.listdir(folder):
        if name.startswith(WORK):
            with suppress(CacheFailure, OSError):
                overlay.remove_work(f"{folder}/{name}")


def patiently(step: Callable[[], None]) -> None:
    """Do `step`, again where something is still in use: the kernel takes a moment to forget a dead process."""
    for pause in PAUSES[:-1]:
        time.sleep(pause)
        with suppress(overlay.StillInUse):
            step()
            return
    time.sleep(PAUSES[-1])
    step()
