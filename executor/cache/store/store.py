"""The store of caches on this host: found and pinned in one step, published in one step, never changed in place.

    <folder>/l/<id>/                 a layer: a tree that never changes, the lower folder of overlays
             meta/<id>.json          what is known of it
             keys/<project>/<trust>/<sha256 of the key>.json    a pointer: the layers of a cache; beside it its hits
             leases/<lease>          the layers that a job or process uses
             tmp/<lease>-<random>    what is being made, or being removed

A layer is published unsynced and marked once the disk has it; until then it is void after a restart of the host. So a
save waits for no disk, and a power failure may lose a cache but never damages one.
"""

from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from executor.cache.store import merge, trees
from executor.cache.store.copying import Copying
from executor.cache.store.failures import CacheFailure, told
from executor.cache.store.locks import Locks
from executor.cache.store.model import Kept, Layer, Snapshot, Stats
from executor.cache.store.processes import boot_id
from executor.cache.store.records import Records, private_folder
from executor.cache.store.removing import remove_tree
from executor.cache.store.settling import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from executor.cache.store.model import Collected, Maker, Place
    from executor.cache.store.settling import Settled

FOLDERS = ("l", "meta", "keys", "leases", "tmp")
LEASE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,150}")

CANNOT_READ = "The store of caches cannot be read."
CANNOT_SAVE = "The cache cannot be saved."


class Store:
    """The store in a folder of its own, which is made (0700) if it is not there.

    All methods raise `CacheFailure`, with a cause and a fix for people, when the disk is full, read-only or broken;
    what was published before is untouched then.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.locks = Locks(folder)
        self.records = Records(folder)
        with told(f"The store of caches cannot be made in {folder}."):
            if not os.path.isdir(folder):
                os.makedirs(os.path.dirname(folder), exist_ok=True)
                private_folder(folder)
            for name in FOLDERS:
                private_folder(f"{folder}/{name}")

    def find(self, places: Sequence[Place], lease: str) -> Snapshot | None:
        """The first cache that is there, pinned for the lease; None if there is none. Counts a hit or a miss."""
        _check_lease(lease)
        with told(CANNOT_READ), self.locks.shared():
            for place in places:
                if snapshot := self._pinned(place, lease):
                    self.records.note_hit(place)
                    return snapshot
            self.records.note_miss()
        return None

    def peek(self, place: Place) -> Snapshot | None:
        """As `find`, for people and for comparing: neither pinned nor counted."""
        with told(CANNOT_READ):
            snapshot = self.records.snapshot(place)
            return snapshot if snapshot and self.is_whole(snapshot) else None

    def stage(self, lease: str) -> str:
        """A new private folder for what is to be published, laid out as `<prefix>/<path below the project>`."""
        _check_lease(lease)
        path = f"{self.records.stages}/{lease}-{os.urandom(6).hex()}"
        with told(CANNOT_SAVE):
            os.mkdir(path, 0o700)
        return path

    def publish(
        self,
        place: Place,
        staged: str,
        *,
        lease: str,
        base: Snapshot | None,
        prefix: str,
        roots: Sequence[str],
        maker: Maker,
        mounted: Sequence[str] = (),
    ) -> Snapshot:
        """Make a staged tree the newest version of a cache, pinned for the lease; the folder `staged` is gone then.

        `staged` is a delta on `base` (which the lease pins), as an overlay's upper folder has it; the whole tree where
        `base` is None. A delta that hides all of its base becomes a base of its own; one that changes nothing becomes
        no layer: `place` points to the base then. `mounted` are the ids of all layers that were below the upper
        folder, the top one first, if there were more than those of `base`: folders renamed in it may come from there.
        A root of `base` that is not among `roots` is not seen in the new version; none may lie above or below another.
        """
        _check_lease(lease)
        if base and not can_be_base(base, prefix, roots):
            raise ValueError("the base is laid out in another way: stage the whole tree")
        with told(CANNOT_SAVE):
            settled = self._settle(staged, base, prefix, roots, mounted)
            if base and not settled.changed:
                snapshot = _unchanged(base, place, roots, maker)
                return self._publish_unchanged(staged, snapshot, base, lease)
            layer = self.new_layer(prefix, "" if settled.alone or not base else base.layers[0], settled.own)
            snapshot = _snapshot(place, layer, base, settled, roots, maker)
            return self.point(snapshot, layer, staged, lease)

    def _settle(
        self, staged: str, base: Snapshot | None, prefix: str, roots: Sequence[str], mounted: Sequence[str]
    ) -> Settled:
        layers = base.layers if base else ()
        with trees.folder_at(staged) as folder:
            if base:
                _hide_other_roots(folder, base, roots)
            return settle(
                folder,
                prefix,
                roots,
                [self.layer_path(layer) for layer in layers],
                [self.layer_path(layer) for layer in mounted or layers],
            )

    def new_layer(self, prefix: str, parent: str, size: trees.Size, *, synced: bool = False) -> Layer:
        """The facts of a layer that is about to be published."""
        return Layer(
            id=os.urandom(6).hex(),
            prefix=prefix,
            parent=parent,
            bytes=size.bytes,
            files=size.files,
            made=time.time(),
            boot_id=boot_id(),
            synced=synced,
        )

    def point(self, snapshot: Snapshot, layer: Layer, staged: str, lease: str) -> Snapshot:
        """Publish a settled tree as `layer`, and the snapshot that it is the top of, with the next generation."""
        with self.locks.shared():
            self.records.pin(lease, snapshot.layers)
            os.rename(staged, self.layer_path(layer.id))
            try:
                self.records.note_layer(layer)
                return self._point(snapshot)
            except BaseException:
                # Who staged it gets it back: it may be all that there is of a job's files.
                os.rename(self.layer_path(layer.id), staged)
                raise

    def _publish_unchanged(self, staged: str, snapshot: Snapshot, base: Snapshot, lease: str) -> Snapshot:
        self.discard(staged)
        with self.locks.shared():
            self.records.pin(lease, snapshot.layers)
            current = self.records.snapshot(snapshot.place)
            if current and (current.layers, current.roots) == (base.layers, snapshot.roots):
                return current
            return self._point(snapshot)

    def _point(self, snapshot: Snapshot) -> Snapshot:
        if not self.is_whole(snapshot):
            raise CacheFailure(CANNOT_SAVE, cause="A layer that it is based on is gone.")
        with self.locks.pointers():
            before = self.records.snapshot(snapshot.place)
            latest = max(before.generation if before else 0, snapshot.generation)
            snapshot = replace(snapshot, generation=latest + 1)
            self.records.point(snapshot)
        return snapshot

    def discard(self, staged: str) -> None:
        """Remove a staged folder that will not be published."""
        with told("What was staged for a cache cannot be removed."), trees.folder_at(self.records.stages) as folder:
            remove_tree(folder, os.path.basename(staged))

    def release(self, lease: str) -> None:
        """End a lease: its layers may be collected, and what it staged too."""
        _check_lease(lease)
        with told(CANNOT_READ):
            self.records.release(lease)

    def layer_path(self, layer: str) -> str:
        """Where a layer's tree is."""
        return f"{self.folder}/l/{layer}"

    def layer(self, layer: str) -> Layer | None:
        """The facts of a layer that may be used; None for one that is missing or void."""
        facts = self.records.layer(layer)
        if facts is None or not (facts.synced or facts.boot_id == boot_id()):
            return None
        return facts if _is_folder(self.layer_path(layer)) else None

    def is_whole(self, snapshot: Snapshot) -> bool:
        """Whether all layers of a snapshot are there."""
        return bool(snapshot.layers) and all(self.layer(layer) for layer in snapshot.layers)

    def _pinned(self, place: Place, lease: str) -> Snapshot | None:
        snapshot = self.records.snapshot(place)
        if snapshot is None or not self.is_whole(snapshot):
            return None
        self.records.pin(lease, snapshot.layers)
        return snapshot

    def pin(self, place: Place, lease: str) -> Snapshot | None:
        """As `find` of one place, not counted: for work on a cache that is no job's."""
        _check_lease(lease)
        with told(CANNOT_READ), self.locks.shared():
            return self._pinned(place, lease)

    def materialise(self, snapshot: Snapshot, target: int, prefix: str) -> trees.Size:
        """Copy what a snapshot shows below the folder `prefix` of the open folder `target`: a restore without a mount.

        The layers are pinned by the caller. What is in the way is replaced; links are never followed. `UnsafePath` if
        a parent of a cached path is no folder.
        """
        copying = Copying(target)
        paths = [self.layer_path(layer) for layer in snapshot.layers]
        with told("The cache cannot be restored."), merge.layers_at(paths) as layers:
            for root in snapshot.roots:
                _copy_root(copying, layers, snapshot.prefix, root, target, prefix)
        return copying.size

    def snapshots(self) -> list[Kept]:
        """All caches, the one used last first."""
        with told(CANNOT_READ):
            kept = [self._kept(snapshot) for snapshot in self.records.snapshots()]
        return sorted(kept, key=lambda each: each.last_use, reverse=True)

    def _kept(self, snapshot: Snapshot) -> Kept:
        use = self.records.use(snapshot)
        return Kept(snapshot=snapshot, hits=use.hits, last_use=use.last, whole=self.is_whole(snapshot))

    def stats(self) -> Stats:
        """The store in numbers."""
        with told(CANNOT_READ):
            layers, kept = self.records.layers(), self.snapshots()
            return Stats(
                bytes=sum(layer.bytes for layer in layers),
                files=sum(layer.files for layer in layers),
                layers=len(layers),
                caches=len(kept),
                hits=sum(each.hits for each in kept),
                misses=self.records.misses(),
                leases=len(self.records.leases()),
            )

    def remove(self, place: Place) -> None:
        """Forget a cache; its layers go with the next garbage collection."""
        with told("The cache cannot be removed."), self.locks.shared():
            self.records.forget(place)

    def collect_garbage(self, quota: int, max_age: float, living: Callable[[str], bool]) -> Collected:
        """Remove what is not used: see `garbage.collect`."""
        from executor.cache.store.garbage import collect

        return collect(self, quota, max_age, living)

    def finish(self, places: Sequence[Place]) -> None:
        """What a save left for later: see `finishing.finish`."""
        from executor.cache.store.finishing import finish

        finish(self, places)

    def flatten(self, place: Place) -> bool:
        """Make one layer of many where that pays: see `finishing.flatten`."""
        from executor.cache.store.finishing import flatten

        return flatten(self, place)

    def verify(self) -> list[Place]:
        """Drop caches that are not what was saved, and name them: see `checking.check`."""
        from executor.cache.store.checking import check

        return [dropped.snapshot.place for dropped in check(self, lambda _: None).dropped]


def can_be_base(base: Snapshot, prefix: str, roots: Sequence[str]) -> bool:
    """Whether a job that caches `roots` below `prefix` can publish a delta on `base`: laid out alike, no root of one
    inside a root of the other.
    """
    ours, theirs = ({trees.join(root) for root in each} for each in (roots, base.roots))
    return base.prefix == prefix and not (_above(ours) & theirs or _above(theirs) & ours)


def _above(paths: set[str]) -> set[str]:
    """All folders that the paths are in, "" being the top."""
    above = set[str]()
    for path in paths:
        while path:
            path = path.rpartition("/")[0]
            above.add(path)
    return above


def _hide_other_roots(staged: int, base: Snapshot, roots: Sequence[str]) -> None:
    wanted = {trees.join(root) for root in roots}
    for root in base.roots:
        path = trees.join(base.prefix, root)
        if trees.join(root) in wanted or trees.look(staged, path) is not None:
            continue
        parent, name = trees.split(path)
        folder = trees.make_below(staged, parent)
        try:
            trees.make_whiteout(name, folder)
        finally:
            os.close(folder)


def _snapshot(
    place: Place, layer: Layer, base: Snapshot | None, settled: Settled, roots: Sequence[str], maker: Maker
) -> Snapshot:
    below = None if settled.alone else base
    return Snapshot(
        place=place,
        layers=(layer.id, *(below.layers if below else ())),
        prefix=layer.prefix,
        roots=tuple(roots),
        bytes=settled.own.bytes + (below.bytes - settled.hidden.bytes if below else 0),
        files=settled.own.files + (below.files - settled.hidden.files if below else 0),
        generation=_generation(base, place),
        saved=layer.made,
        maker=maker,
    )


def _unchanged(base: Snapshot, place: Place, roots: Sequence[str], maker: Maker) -> Snapshot:
    generation = _generation(base, place)
    return replace(base, place=place, roots=tuple(roots), saved=time.time(), maker=maker, generation=generation)


def _generation(base: Snapshot | None, place: Place) -> int:
    return base.generation if base and base.place == place else 0


def _copy_root(copying: Copying, layers: Sequence[int], old_prefix: str, root: str, target: int, prefix: str) -> None:
    path = trees.join(old_prefix, root)
    parent, name = trees.split(path)
    with merge.merged_at(layers, parent) as folders:
        entry = merge.lookup(folders, name)
        if entry is None:
            return
        at = trees.split(trees.join(prefix, root))[0]
        into = trees.make_below(target, at, like=layers[-1] if old_prefix == prefix else None)
        try:
            copying.entry(entry, into, at)
        finally:
            os.close(into)


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _check_lease(lease: str) -> None:
    if not LEASE.fullmatch(lease):
        raise ValueError(f"no name for a lease: {lease!r}")
