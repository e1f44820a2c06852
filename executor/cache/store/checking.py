"""Checking a whole store: layers against their digests, pointers for what they point to; what is wrong is dropped."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor.cache.store import processes
from executor.cache.store.digests import digest_of
from executor.cache.store.failures import CacheFailure, told
from executor.cache.store.survey import broken_pointers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from executor.cache.store.model import Layer, Snapshot
    from executor.cache.store.store import Store

# What the system says of a tree that is damaged; anything else says that we cannot look.
DAMAGE = {
    errno.ENOENT: "a file of it is gone",
    errno.EIO: "the disk cannot read it",
    errno.EBADMSG: "the disk cannot read it",
    errno.EUCLEAN: "the file system there is damaged",
}
CHANGED = "its content is not what was saved"
GONE = "it is gone"
LOST = "it was lost when the host went down"


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A cache that is not found any more. `why` speaks of its layer with the id `layer`."""

    snapshot: Snapshot
    layer: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check found: `layers` with their `bytes` that have a digest, layers that have none `yet`, what is `wrong`
    with which layer, the caches that were dropped for it, and paths of pointers that could not be read and went too.
    """

    layers: int
    bytes: int
    yet: int
    wrong: Mapping[str, str]
    dropped: tuple[Dropped, ...]
    pointers: tuple[str, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing was wrong."""
        return not (self.wrong or self.dropped or self.pointers)


def bytes_to_check(store: Store) -> int:
    """What `check` has to read."""
    with told("The store of caches cannot be verified."):
        return sum(layer.bytes for layer in store.records.layers() if layer.digest)


def check(store: Store, step: Callable[[int], None]) -> Checked:
    """Compare all layers that have a digest with it, calling `step` with the bytes of each that is done.

    The layers are pinned meanwhile. Caches with a wrong layer, and pointers that cannot be read, are dropped; the
    layers go with the next garbage collection.
    """
    lease = processes.own_lease(os.urandom(4).hex())
    with told("The store of caches cannot be verified."):
        with store.locks.shared():
            layers = store.records.layers()
            store.records.pin(lease, (layer.id for layer in layers))
        try:
            wrong = dict(_wrong(store, [layer for layer in layers if layer.digest], step))
            return _repaired(store, layers, wrong)
        finally:
            store.release(lease)


def _wrong(store: Store, layers: list[Layer], step: Callable[[int], None]) -> Iterator[tuple[str, str]]:
    for layer in layers:
        if why := _damage(store.layer_path(layer.id), layer.digest):
            yield layer.id, why
        step(layer.bytes)


def _damage(path: str, digest: str) -> str:
    if not os.path.isdir(path):
        return GONE
    try:
        return "" if digest_of(path) == digest else CHANGED
    except CacheFailure as failure:
        return failure.what
    except OSError as error:
        if error.errno not in DAMAGE:
            raise
        return DAMAGE[error.errno]


def _repaired(store: Store, layers: list[Layer], wrong: Mapping[str, str]) -> Checked:
    for layer in wrong:
        store.records.forget_layer(layer)
    # Whoever publishes a version of these caches now waits, and points to it afterwards.
    with store.locks.shared(), store.locks.pointers():
        dropped = tuple(_dropped(store, wrong))
        pointers = broken_pointers(store)
        for path in (*pointers, *(store.records.pointer_path(one.snapshot.place) for one in dropped)):
            store.records.forget_pointer(path)
    checked = [layer for layer in layers if layer.digest]
    return Checked(
        layers=len(checked),
        bytes=sum(layer.bytes for layer in checked),
        yet=len(layers) - len(checked),
        wrong=wrong,
        dropped=dropped,
        pointers=tuple(pointers),
    )


def _dropped(store: Store, wrong: Mapping[str, str]) -> Iterator[Dropped]:
    for snapshot in store.records.snapshots():
        layer = next((layer for layer in snapshot.layers if not store.layer(layer)), None)
        if layer is not None or not snapshot.layers:
            yield Dropped(snapshot=snapshot, layer=layer or "", why=_why(store, layer or "", wrong))


def _why(store: Store, layer: str, wrong: Mapping[str, str]) -> str:
    facts = store.records.layer(layer)
    return wrong.get(layer) or (LOST if facts and os.path.isdir(store.layer_path(layer)) else GONE)
