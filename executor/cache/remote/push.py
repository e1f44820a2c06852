"""Uploading a cache: the layers that the bucket lacks or is about to drop, then the pointer that names them."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from executor.cache.remote import pointers
from executor.cache.remote.blobs import Blob, pack
from executor.cache.remote.failures import RemoteFailure, Untrustworthy
from executor.cache.remote.pointers import Pointer, RemoteLayer
from executor.cache.store.adopting import note_blob
from executor.cache.store.failures import told
from executor.cache.store.processes import own_lease

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from executor.cache.remote.bucket import Bucket
    from executor.cache.store.model import Layer, Place, Snapshot
    from executor.cache.store.store import Store

    Progress = Callable[[int, int], None]

# What the true sizes of layers may take more than zeros.
ROOM_FOR_NUMBERS = 64 * 1024


@dataclass(frozen=True)
class PushResult:
    """What a push did: whether the bucket now has the cache (`failure` is why not), layers and bytes that it uploaded,
    layers that were there, and the seconds it took.
    """

    pushed: bool
    uploaded: int = 0
    reused: int = 0
    bytes: int = 0
    seconds: float = 0.0
    failure: str = ""


class Push:
    """One upload. `most` bounds the archives of a cache together, in bytes; a blob older than `stale` seconds is
    uploaded again.
    """

    def __init__(self, bucket: Bucket, store: Store, most: int, stale: float, progress: Progress | None) -> None:
        self._bucket = bucket
        self._store = store
        self._most = most or sys.maxsize
        self._stale = stale
        self._progress = progress
        self._done = 0
        self.uploaded = 0
        self.reused = 0
        self.bytes = 0

    async def run(self, place: Place) -> PushResult:
        """Upload what the store has at a place now; `CacheFailure` if that does not succeed."""
        began = time.monotonic()
        lease = own_lease(os.urandom(4).hex())
        try:
            snapshot = self._store.pin(place, lease)
            if snapshot is None:
                raise RemoteFailure("A cache is not shared with other hosts.", cause="The store has no such cache.")
            await self._upload(snapshot)
        finally:
            self._store.release(lease)
        return PushResult(True, self.uploaded, self.reused, self.bytes, time.monotonic() - began)

    async def _upload(self, snapshot: Snapshot) -> None:
        _check_fits(snapshot)
        name = pointers.pointer_name(snapshot.place)
        there = await self._pointer(snapshot.place, name)
        layers = [await self._layer(snapshot.place, layer) for layer in reversed(snapshot.layers)]
        pointer = _pointer(snapshot, tuple(reversed(layers)))
        if there and there.shows_same(pointer):
            return
        if there:
            # Whoever uploads last wins, also where its host has saved less often than others.
            pointer = replace(pointer, generation=max(pointer.generation, there.generation + 1))
        await self._bucket.write(name, pointers.written(pointer))

    async def _pointer(self, place: Place, name: str) -> Pointer | None:
        try:
            content = await self._bucket.read(name, pointers.LARGEST)
            return None if content is None else pointers.read(content, place)
        except Untrustworthy:
            return None

    async def _layer(self, place: Place, layer: str) -> RemoteLayer:
        facts = self._store.layer(layer)
        if facts is None:
            raise RemoteFailure("A cache is not shared with other hosts.", cause="A layer of it is gone.")
        if facts.blob and await self._is_there(place, facts.blob, facts.blob_bytes):
            return self._counted(facts, Blob(facts.blob, facts.blob_bytes, facts.tar_bytes))
        with told("A cache cannot be packed."), tempfile.TemporaryFile(dir=self._store.records.stages) as file:
            blob = pack(self._store.layer_path(layer), file, self._most)
            await self._send(place, blob, file)
        note_blob(self._store, layer, blob.digest, blob.size, blob.tar_bytes)
        return self._counted(facts, blob)

    def _counted(self, facts: Layer, blob: Blob) -> RemoteLayer:
        """The layer as the pointer names it, taken off what the cache may still take."""
        self._most -= blob.size
        if self._most < 0:
            raise RemoteFailure(
                "A cache is not shared with other hosts.",
                cause="It is larger than MaxUploadedArchiveSize in [runners.cache].",
            )
        return RemoteLayer(
            blob=blob.digest, size=blob.size, tar_bytes=blob.tar_bytes, bytes=facts.bytes, files=facts.files
        )

    async def _is_there(self, place: Place, blob: str, size: int) -> bool:
        found = await self._bucket.find(pointers.blob_name(place, blob))
        there = found is not None and found.size == size and found.age < self._stale
        self.reused += there
        return there

    async def _send(self, place: Place, blob: Blob, file: IO[bytes]) -> None:
        name = pointers.blob_name(place, blob.digest)
        found = await self._bucket.find(name)
        if found and found.size == blob.size and found.age < self._stale:
            self.reused += 1
            return
        total = self._done + blob.size
        await self._bucket.upload(name, file, blob.size, again=found is not None, sent=lambda n: self._tell(n, total))
        self.uploaded += 1
        self.bytes += blob.size

    def _tell(self, count: int, total: int) -> None:
        self._done += count
        if self._progress:
            self._progress(self._done, total)


def _check_fits(snapshot: Snapshot) -> None:
    """Refuse, before anything is uploaded, what no host could read back: keys and paths come from jobs."""
    nothing = RemoteLayer(blob="", size=0, tar_bytes=0, bytes=0, files=0)
    layers = tuple(replace(nothing, blob=f"{number:064x}") for number in range(len(snapshot.layers)))
    content = pointers.written(_pointer(snapshot, layers))
    try:
        if len(content) > pointers.LARGEST - ROOM_FOR_NUMBERS:
            raise Untrustworthy("The pointer is too large.")
        pointers.read(content, snapshot.place)
    except Untrustworthy:
        raise RemoteFailure(
            "A cache is not shared with other hosts.", cause="Its key or its list of paths is longer than is read back."
        ) from None


def _pointer(snapshot: Snapshot, layers: tuple[RemoteLayer, ...]) -> Pointer:
    return Pointer(
        place=snapshot.place,
        layers=layers,
        prefix=snapshot.prefix,
        roots=snapshot.roots,
        bytes=snapshot.bytes,
        files=snapshot.files,
        generation=snapshot.generation,
        saved=snapshot.saved,
        maker=snapshot.maker,
    )
