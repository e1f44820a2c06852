"""Fetching what the bucket has newer: only the layers that are not here, looked at before anybody can use them."""

from __future__ import annotations

import hashlib
import os
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from executor.cache.remote import inspecting, pointers
from executor.cache.remote.blobs import Unpacking
from executor.cache.remote.failures import RemoteFailure, Unreachable, Untrustworthy
from executor.cache.store.adopting import adopt, pin_blobs
from executor.cache.store.failures import CacheFailure
from executor.cache.store.model import Snapshot
from executor.cache.store.trees import Size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from executor.cache.remote.bucket import Bucket
    from executor.cache.remote.pointers import Pointer, RemoteLayer
    from executor.cache.store.model import Layer, Place
    from executor.cache.store.store import Store

    Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Pulled:
    """What came of it: the cache, or None where the host's own is to be used; and what went wrong, if anything did."""

    snapshot: Snapshot | None
    failure: CacheFailure | None = None


@dataclass(frozen=True)
class _Staged:
    """A fetched layer, not yet in the store."""

    path: str
    size: Size


class Pull:
    """One look-up of a cache in the bucket. `quota` bounds what a cache may take on the disk, in bytes."""

    def __init__(self, bucket: Bucket, store: Store, lease: str, quota: float, progress: Progress | None) -> None:
        self._bucket = bucket
        self._store = store
        self._lease = lease
        self._quota = quota
        self._progress = progress
        self._staged: dict[str, _Staged] = {}
        self._done = 0

    async def run(self, places: Sequence[Place]) -> Pulled:
        """The first cache that is in the bucket or here; a failure at one place is a miss there."""
        problem: CacheFailure | None = None
        for place in places:
            local = self._store.peek(place)
            try:
                pointer = await self._pointer(place)
                if pointer and not (local and local.generation >= pointer.generation):
                    return Pulled(await self._fetched(pointer), problem)
            except Unreachable:
                raise
            except CacheFailure as failure:
                problem = problem or failure
            if local:
                break
        return Pulled(None, problem)

    async def _pointer(self, place: Place) -> Pointer | None:
        content = await self._bucket.read(pointers.pointer_name(place), pointers.LARGEST)
        return None if content is None else pointers.read(content, place)

    async def _fetched(self, pointer: Pointer) -> Snapshot:
        """The cache of a pointer as one of the store. The small layers on top come first: they may show a fault."""
        known = pin_blobs(self._store, pointer.place, {layer.blob for layer in pointer.layers}, self._lease)
        missing = [layer for layer in pointer.layers if layer.blob not in known]
        self._check_room(pointer, missing)
        try:
            for layer in missing:
                await self._fetch(pointer.place, layer, sum(each.size for each in missing))
            return self._adopted(pointer, known)
        finally:
            self._discard()

    def _check_room(self, pointer: Pointer, missing: Sequence[RemoteLayer]) -> None:
        if sum(layer.tar_bytes for layer in pointer.layers) > self._quota:
            raise RemoteFailure("A cache in the bucket is left there.", cause="It is larger than the quota of caches.")
        disk = os.statvfs(self._store.folder)
        if sum(layer.tar_bytes for layer in missing) > disk.f_bavail * disk.f_frsize:
            raise RemoteFailure("A cache in the bucket is left there.", cause="The disk has no room for it.")

    async def _fetch(self, place: Place, layer: RemoteLayer, total: int) -> None:
        path = self._store.stage(self._lease)
        self._staged[layer.blob] = _Staged(path, Size())
        digest = hashlib.sha256()
        name = pointers.blob_name(place, layer.blob)
        with Unpacking(path, layer.tar_bytes) as unpacking:
            async with aclosing(self._bucket.pieces(name, layer.size)) as pieces:
                async for piece in pieces:
                    digest.update(piece)
                    unpacking.feed(piece)
                    self._tell(len(piece), total)
            if digest.hexdigest() != layer.blob:
                raise Untrustworthy("A layer of it is not what was uploaded.")
            unpacking.finish()
        self._staged[layer.blob] = _Staged(path, inspecting.measure(path))

    def _tell(self, count: int, total: int) -> None:
        self._done += count
        if self._progress:
            self._progress(self._done, total)

    def _adopted(self, pointer: Pointer, known: dict[str, Layer]) -> Snapshot:
        paths = [
            self._staged[layer.blob].path
            if layer.blob in self._staged
            else self._store.layer_path(known[layer.blob].id)
            for layer in pointer.layers
        ]
        inspecting.check_layout(paths, pointer.prefix, pointer.roots)
        layers: list[Layer] = []
        for entry in reversed(pointer.layers):
            parent = layers[-1].id if layers else ""
            layers.append(known.get(entry.blob) or self._made(entry, pointer.prefix, parent))
        fetched = [(layer, self._staged[layer.blob].path) for layer in layers if layer.blob in self._staged]
        return adopt(self._store, _snapshot(pointer, layers), fetched, self._lease)

    def _made(self, entry: RemoteLayer, prefix: str, parent: str) -> Layer:
        layer = self._store.new_layer(prefix, parent, self._staged[entry.blob].size)
        return replace(layer, blob=entry.blob, blob_bytes=entry.size, tar_bytes=entry.tar_bytes)

    def _discard(self) -> None:
        """What was not taken into the store; what cannot be removed goes with the lease."""
        for staged in self._staged.values():
            with suppress(CacheFailure):
                self._store.discard(staged.path)


def _snapshot(pointer: Pointer, layers: Sequence[Layer]) -> Snapshot:
    return Snapshot(
        place=pointer.place,
        layers=tuple(layer.id for layer in reversed(layers)),
        prefix=pointer.prefix,
        roots=pointer.roots,
        bytes=pointer.bytes,
        files=pointer.files,
        generation=pointer.generation,
        saved=pointer.saved,
        maker=pointer.maker,
    )
