"""Layers that come from elsewhere: which of them are here already, and taking in those that were not."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from executor.cache.store.failures import CacheFailure, told

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    from executor.cache.store.model import Layer, Place, Snapshot
    from executor.cache.store.store import Store

CANNOT_ADOPT = "A fetched cache cannot be taken into the store."


def pin_blobs(store: Store, place: Place, blobs: Set[str], lease: str) -> dict[str, Layer]:
    """The layers that are here of some blobs, by blob, pinned for the lease.

    Only caches of the same project and trust are looked at: whoever can write to one place of the bucket must not see
    by it what other projects have.
    """
    with told("The store of caches cannot be read."), store.locks.shared():
        found = {}
        for snapshot in store.records.snapshots():
            if (snapshot.place.project_id, snapshot.place.trust) != (place.project_id, place.trust):
                continue
            for layer in snapshot.layers:
                facts = store.layer(layer)
                if facts and facts.blob in blobs:
                    found[facts.blob] = facts
        store.records.pin(lease, [facts.id for facts in found.values()])
        return found


def adopt(store: Store, snapshot: Snapshot, fetched: Sequence[tuple[Layer, str]], lease: str) -> Snapshot:
    """Take in staged trees as layers, and make `snapshot`, with its generation, the newest version of its cache.

    All its layers are among `fetched` or pinned for the lease. A version that was saved here meanwhile, and is not
    older, stays and is given instead. Either is pinned for the lease.
    """
    with told(CANNOT_ADOPT), store.locks.shared():
        store.records.pin(lease, snapshot.layers)
        for layer, staged in fetched:
            os.rename(staged, store.layer_path(layer.id))
            store.records.note_layer(layer)
        if not store.is_whole(snapshot):
            raise CacheFailure(CANNOT_ADOPT, cause="A layer of it is gone.")
        with store.locks.pointers():
            before = store.records.snapshot(snapshot.place)
            if before and before.generation >= snapshot.generation and store.is_whole(before):
                store.records.pin(lease, before.layers)
                return before
            store.records.point(snapshot)
        return snapshot


def note_blob(store: Store, layer: str, blob: str, blob_bytes: int, tar_bytes: int) -> None:
    """Remember which blob a layer was packed into."""
    with told("The store of caches cannot be written."), store.locks.shared(), store.locks.facts():
        facts = store.layer(layer)
        if facts:
            store.records.note_layer(replace(facts, blob=blob, blob_bytes=blob_bytes, tar_bytes=tar_bytes))
