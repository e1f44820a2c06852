"""Garbage collection: what no cache, no living job and no mount needs goes; caches go by their last use."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from executor.cache.store import overlay, processes, trees
from executor.cache.store.failures import CacheFailure, told
from executor.cache.store.model import Collected
from executor.cache.store.removing import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from executor.cache.store.model import Kept, Snapshot
    from executor.cache.store.store import Store


def collect(store: Store, quota: int, max_age: float, living: Callable[[str], bool]) -> Collected:
    """Remove caches until `quota` bytes of layers are left (used last first), those not used for `max_age` seconds,
    and all that belongs to no cache.

    A lease keeps its layers and what it staged while `living(lease)` says so; leases of the store's own work end with
    their process. Layers below a mounted overlay stay in any case. `Busy` if another collection runs, or if the store
    could not be had alone within 3 s: nothing was removed then.
    """
    with told("The store of caches cannot be cleaned up."), store.locks.one_collector():
        dead = dead_leases(store, living)
        trash = f"{store.records.stages}/{processes.own_lease()}-{os.urandom(6).hex()}"
        os.mkdir(trash, 0o700)
        try:
            with store.locks.alone():
                collected = _move_out(store, quota, max_age, dead, trash)
        finally:
            stages = _remove(store, dead, os.path.basename(trash))
        return Collected(**{**collected, "stages": stages})


def dead_leases(store: Store, living: Callable[[str], bool]) -> set[str]:
    """The leases that nobody holds any more, those of staged folders included."""
    # Asked before the lock is taken: the answer may take long, and who is dead stays dead.
    leases = set(store.records.leases()) | {lease_of(name) for name in os.listdir(store.records.stages)}
    return {lease for lease in leases if not _lives(lease, living)}


def _lives(lease: str, living: Callable[[str], bool]) -> bool:
    return processes.is_living(lease) if lease.startswith(processes.OWN) else living(lease)


def lease_of(staged: str) -> str:
    """The lease that a staged folder belongs to, by its name."""
    return staged.rpartition("-")[0]


def _move_out(store: Store, quota: int, max_age: float, dead: set[str], trash: str) -> dict[str, int]:
    leases = {lease for lease in store.records.leases() if lease in dead}
    for lease in leases:
        store.records.release(lease)
    caches, needed = _drop_caches(store, quota, max_age)
    for lease in store.records.leases():
        needed |= store.records.pinned(lease)
    needed |= overlay.layers_in_use()
    sizes = {layer.id: layer.bytes for layer in store.records.layers()}
    victims = [layer for layer in os.listdir(f"{store.folder}/l") if layer not in needed]
    for layer in victims:
        os.rename(store.layer_path(layer), f"{trash}/{layer}")
    _forget_layers(store)
    return {
        "caches": caches,
        "layers": len(victims),
        "bytes": sum(sizes.get(layer, 0) for layer in victims),
        "leases": len(leases),
        "kept_bytes": sum(size for layer, size in sizes.items() if layer in needed),
    }


def _drop_caches(store: Store, quota: int, max_age: float) -> tuple[int, set[str]]:
    kept = store.snapshots()
    stay = within(store, kept, quota, time.time() - max_age)
    paths = {store.records.pointer_path(snapshot.place) for snapshot in stay}
    dropped = [path for path in store.records.pointer_files() if path not in paths]
    for path in dropped:
        store.records.forget_pointer(path)
    store.records.forget_empty_folders()
    return len(dropped), {layer for snapshot in stay for layer in snapshot.layers}


def within(store: Store, kept: Iterable[Kept], quota: int, oldest: float) -> list[Snapshot]:
    """The caches that stay: whole ones used since `oldest`, of `kept` the first ones whose layers fit into `quota`."""
    stay: list[Snapshot] = []
    counted: set[str] = set()
    left = quota
    for each in kept:
        new = set(each.snapshot.layers) - counted
        needs = sum(facts.bytes for layer in new if (facts := store.layer(layer)))
        if each.whole and each.last_use >= oldest and needs <= left:
            stay.append(each.snapshot)
            counted |= new
            left -= needs
    return stay


def _forget_layers(store: Store) -> None:
    there = set(os.listdir(f"{store.folder}/l"))
    for name in os.listdir(f"{store.folder}/meta"):
        layer = name.removesuffix(".json")
        if layer not in there:
            store.records.forget_layer(layer)


def _remove(store: Store, dead: set[str], trash: str) -> int:
    names = [name for name in os.listdir(store.records.stages) if lease_of(name) in dead]
    with trees.folder_at(store.records.stages) as folder:
        for name in (trash, *names):
            # What cannot be removed is tried again by the next collection.
            with suppress(OSError, CacheFailure):
                remove_tree(folder, name)
    return len(names)
