"""What a save leaves for after the job: waiting for the disk, digests, and making one layer of many."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from executor.cache.store import merge, overlay, processes
from executor.cache.store.copying import Copying
from executor.cache.store.digests import digest_of
from executor.cache.store.failures import told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.cache.store.model import Layer, Place, Snapshot
    from executor.cache.store.store import Store

# Measured: with 8 layers `find` takes half as long again as with one; a mount takes 5 ms with any number.
MOST_LAYERS = 8


def finish(store: Store, places: Sequence[Place]) -> None:
    """Wait until the disk has all layers and mark them; digest and, where it pays, flatten the caches at `places`.

    For a process of its own: it may take seconds. Killed at any point, it can be called again.
    """
    with told("The caches that were just saved cannot be written to the disk."):
        mark_synced(store)
        for place in places:
            digest(store, place)
            if flatten(store, place):
                digest(store, place)


def mark_synced(store: Store) -> None:
    """Wait until the disk has all that was published up to now, then say so in the facts of each layer."""
    boot = processes.boot_id()
    unsynced = [layer.id for layer in store.records.layers() if not layer.synced and layer.boot_id == boot]
    if unsynced:
        overlay.sync_file_system(store.folder)
    for layer in unsynced:
        _change(store, layer, synced=True)


def digest(store: Store, place: Place) -> None:
    """Compute the digests of a cache's layers that have none."""
    lease = processes.own_lease(os.urandom(4).hex())
    snapshot = store.pin(place, lease)
    try:
        for layer in snapshot.layers if snapshot else ():
            facts = store.layer(layer)
            if facts and not facts.digest:
                _change(store, layer, digest=digest_of(store.layer_path(layer)))
    finally:
        store.release(lease)


def _change(store: Store, layer: str, *, synced: bool | None = None, digest: str = "") -> None:
    with store.locks.shared(), store.locks.facts():
        facts = store.layer(layer)
        if facts is None:
            return
        facts = replace(facts, synced=facts.synced if synced is None else synced, digest=digest or facts.digest)
        store.records.note_layer(facts, durable=True)


def flatten(store: Store, place: Place) -> bool:
    """Make one layer of a cache's layers if there are 8 or more, or their deltas are over half of their base.

    Files are hard-linked: a layer never changes. The cache's pointer is changed only if it is still the one that was
    flattened; what it shows is the same. Gives whether it was changed.
    """
    lease = processes.own_lease(os.urandom(4).hex())
    snapshot = store.pin(place, lease)
    try:
        return bool(snapshot and _pays(store, snapshot) and _flatten(store, snapshot, lease))
    finally:
        store.release(lease)


def _pays(store: Store, snapshot: Snapshot) -> bool:
    sizes = [facts.bytes for layer in snapshot.layers if (facts := store.layer(layer))]
    return len(sizes) > 1 and (len(sizes) >= MOST_LAYERS or sum(sizes[:-1]) > sizes[-1] / 2)


def _flatten(store: Store, snapshot: Snapshot, lease: str) -> bool:
    with told("The layers of a cache cannot be made one."):
        staged = store.stage(lease)
        layer = _linked(store, snapshot, staged)
        overlay.sync_file_system(store.folder)
        done = _exchange(store, snapshot, layer, staged)
        if not done:
            store.discard(staged)
        return done


def _linked(store: Store, snapshot: Snapshot, staged: str) -> Layer:
    paths = [store.layer_path(layer) for layer in snapshot.layers]
    descriptor = os.open(staged, os.O_RDONLY | os.O_DIRECTORY)
    try:
        copying = Copying(descriptor, linked=True)
        with merge.layers_at(paths) as layers:
            copying.content(layers, "")
    finally:
        os.close(descriptor)
    return store.new_layer(snapshot.prefix, "", copying.size, synced=True)


def _exchange(store: Store, snapshot: Snapshot, layer: Layer, staged: str) -> bool:
    with store.locks.shared(), store.locks.pointers():
        current = store.records.snapshot(snapshot.place)
        if current is None or current.layers != snapshot.layers:
            return False
        os.rename(staged, store.layer_path(layer.id))
        store.records.sync_layers()
        store.records.note_layer(layer, durable=True)
        flat = replace(current, layers=(layer.id,), bytes=layer.bytes, files=layer.files)
        store.records.point(flat, durable=True)
        return True
