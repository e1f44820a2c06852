"""Questions about a store that only people ask: what cannot be read in it, who keeps a cache from going."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from executor.cache.store.failures import told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from executor.cache.store.store import Store


def broken_pointers(store: Store) -> list[str]:
    """The paths of pointers that say nothing readable, or lie where none of that key belongs: no job finds them."""
    with told("The store of caches cannot be read."):
        paths = set(store.records.pointer_files())
        readable = {store.records.pointer_path(snapshot.place) for snapshot in store.records.snapshots()}
        return sorted(path for path in paths - readable if os.path.lexists(path))


def leases_on(store: Store, layers: Iterable[str]) -> list[str]:
    """The leases that keep any of the layers."""
    wanted = set(layers)
    with told("The store of caches cannot be read."):
        return sorted(lease for lease in store.records.leases() if wanted & store.records.pinned(lease))
