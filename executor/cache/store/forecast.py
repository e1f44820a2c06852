"""What a garbage collection would take away, without taking it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor.cache.store import garbage, overlay
from executor.cache.store.failures import told
from executor.cache.store.model import Collected

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.cache.store.model import Snapshot
    from executor.cache.store.store import Store


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The caches that would go, those that no job finds any more among them, and the numbers of it all."""

    caches: tuple[Snapshot, ...]
    collected: Collected


def forecast(store: Store, quota: int, max_age: float, living: Callable[[str], bool]) -> Forecast:
    """What `garbage.collect` would remove now: the same arguments, the same decisions."""
    with told("The store of caches cannot be read."):
        dead = garbage.dead_leases(store, living)
        kept = store.snapshots()
        stay = garbage.within(store, kept, quota, time.time() - max_age)
        needed = {layer for snapshot in stay for layer in snapshot.layers} | overlay.layers_in_use()
        for lease in set(store.records.leases()) - dead:
            needed |= store.records.pinned(lease)
        sizes = {layer.id: layer.bytes for layer in store.records.layers()}
        victims = [layer for layer in os.listdir(f"{store.folder}/l") if layer not in needed]
        collected = Collected(
            caches=len(list(store.records.pointer_files())) - len(stay),
            layers=len(victims),
            bytes=sum(sizes.get(layer, 0) for layer in victims),
            stages=sum(garbage.lease_of(name) in dead for name in os.listdir(store.records.stages)),
            leases=len(dead & set(store.records.leases())),
            kept_bytes=sum(size for layer, size in sizes.items() if layer in needed),
        )
    places = {snapshot.place for snapshot in stay}
    return Forecast(
        caches=tuple(each.snapshot for each in kept if each.snapshot.place not in places), collected=collected
    )
