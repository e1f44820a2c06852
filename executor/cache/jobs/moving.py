"""One cache on its way out of a job's folder: moved or copied to a staged folder, and published, or put back."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from executor.cache.store import merge, trees, uppers
from executor.cache.store.copying import Copying, copy_tree
from executor.cache.store.failures import CacheFailure, MustCopy, UnsafePath

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from executor.cache.jobs.notes import JobCaches
    from executor.cache.store.model import Place, Snapshot
    from executor.cache.store.store import Store


class Move:
    """One cache and its staged folder. `builds` is the job's open folder: unmounted where something is to be moved."""

    def __init__(self, store: Store, caches: JobCaches, builds: int) -> None:
        self._store = store
        self._caches = caches
        self._builds = builds
        self._staged = store.stage(caches.lease)

    def take(self, roots: Sequence[str]) -> list[str]:
        """Move the `roots` to the staged folder; those that were there or that the job removed.

        `MustCopy` and other failures come before anything is moved, or after it was put back.
        """
        try:
            if any(self._hides(root) for root in roots):
                raise MustCopy("A folder above the cache was made anew by the job.")
            with trees.folder_at(self._staged) as staged:
                return uppers.take_roots(self._builds, self._caches.prefix, roots, staged)
        except (CacheFailure, OSError):
            self.put_back()
            raise

    def copy(self, roots: Iterable[str]) -> None:
        """Copy the `roots`, as the job sees them, to the staged folder."""
        with trees.folder_at(self._staged) as staged:
            for root in roots:
                path = trees.join(self._caches.prefix, root)
                # A job's last processes may remove a file while it is looked at.
                with suppress(FileNotFoundError):
                    copy_tree(self._builds, path, staged, path)

    def publish(self, place: Place, base: Snapshot | None, roots: Sequence[str], mounted: Sequence[str]) -> Snapshot:
        """Make the staged folder the newest version of the cache at `place`."""
        return self._store.publish(
            place,
            self._staged,
            lease=self._caches.lease,
            base=base,
            prefix=self._caches.prefix,
            roots=roots,
            maker=self._caches.maker,
            mounted=mounted,
        )

    def put_back(self) -> None:
        """Move everything that was staged to where it was, and forget the rest."""
        with suppress(FileNotFoundError), trees.folder_at(self._staged) as staged:
            _merge_into(staged, self._builds)
        self.forget()

    def forget(self) -> None:
        """Remove the staged folder."""
        self._store.discard(self._staged)

    def _hides(self, root: str) -> bool:
        """Whether a parent of the root hides all layers: also the one that the root would become."""
        state, hides = uppers.state_of(self._builds, trees.join(self._caches.prefix, root))
        return hides and state == uppers.THERE


def copy_back(store: Store, caches: JobCaches, builds: int, snapshot: Snapshot) -> None:
    """Give the job's unmounted folder as plain files what it showed of a mounted cache: the layers, and what the job
    changed of them.
    """
    changed = store.stage(caches.lease)
    with trees.folder_at(changed) as staged:
        uppers.take_roots(builds, caches.prefix, snapshot.roots, staged)
    copying = Copying(builds)
    with merge.layers_at([changed, *(store.layer_path(layer) for layer in snapshot.layers)]) as layers:
        for root in snapshot.roots:
            parent, name = trees.split(trees.join(caches.prefix, root))
            with merge.merged_at(layers, parent) as folders:
                _copy_entry(copying, merge.lookup(folders, name), builds, parent)
    store.discard(changed)


def any_newer(folder: int, paths: Iterable[str], moment: float) -> bool:
    """Whether anything at the `paths` below the open `folder` was changed after `moment` (seconds since the epoch)."""
    return any(_is_newer(folder, path, moment, 0) for path in paths)


def _is_newer(folder: int, path: str, moment: float, depth: int) -> bool:
    trees.too_deep(depth)
    facts = trees.look(folder, path)
    if facts is None or facts.st_mtime > moment:
        return True
    if not stat.S_ISDIR(facts.st_mode):
        return False
    with trees.folder_below(folder, path) as deeper:
        return any(_is_newer(deeper, entry.name, moment, depth + 1) for entry in trees.listed(deeper))


def _copy_entry(copying: Copying, entry: merge.Entry | None, builds: int, parent: str) -> None:
    if entry is None:
        return
    into = trees.make_below(builds, parent)
    try:
        copying.entry(entry, into, parent)
    finally:
        os.close(into)


def _merge_into(source: int, target: int) -> None:
    """Rename what is in the open folder `source` into `target`; what is a folder in both is merged."""
    for entry in trees.listed(source):
        with suppress(OSError):
            os.rename(entry.name, entry.name, src_dir_fd=source, dst_dir_fd=target)
            continue
        with (
            suppress(OSError, UnsafePath),
            trees.folder_below(source, entry.name) as deeper,
            trees.folder_below(target, entry.name) as into,
        ):
            _merge_into(deeper, into)
