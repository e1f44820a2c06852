"""What was unpacked, looked at before it becomes a layer: only files that a cache may hold, and only where it may."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from executor.cache.remote.failures import Untrustworthy
from executor.cache.store import merge, trees

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

KEPT = (stat.S_IFREG, stat.S_IFLNK)


def measure(path: str) -> trees.Size:
    """What the tree at an absolute path takes; `Untrustworthy` if it holds devices, sockets or FIFOs."""
    size, seen = trees.Size(), set[tuple[int, int]]()
    with trees.folder_at(path) as folder:
        _measure(folder, size, seen, 0)
    return size


def _measure(folder: int, size: trees.Size, seen: set[tuple[int, int]], depth: int) -> None:
    trees.too_deep(depth)
    size.bytes += os.fstat(folder).st_blocks * 512
    for entry in trees.listed(folder):
        facts = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(facts.st_mode):
            with trees.folder_below(folder, entry.name) as deeper:
                _measure(deeper, size, seen, depth + 1)
        elif stat.S_IFMT(facts.st_mode) in KEPT:
            size.files += 1
            size.bytes += trees.once(facts, seen)
        elif not trees.is_whiteout(facts):
            raise Untrustworthy("A layer of it holds a device.")


def check_layout(paths: Sequence[str], prefix: str, roots: Sequence[str]) -> None:
    """`Untrustworthy` if the layers at `paths`, the top one first, show anything outside of the cache's `roots`."""
    wanted = {trees.join(prefix, root) for root in roots}
    with merge.layers_at(paths) as layers:
        _check_layout(layers, "", wanted, _above(wanted))


def _check_layout(folders: Sequence[int], at: str, wanted: Set[str], above: Set[str]) -> None:
    for entry in merge.entries(folders):
        path = trees.join(at, entry.name)
        if path in wanted:
            continue
        if path not in above or not entry.is_folder:
            raise Untrustworthy("It holds files outside of what is cached.")
        with merge.opened(entry) as deeper:
            _check_layout(deeper, path, wanted, above)


def _above(paths: Set[str]) -> set[str]:
    above = set[str]()
    for path in paths:
        while path := path.rpartition("/")[0]:
            above.add(path)
    return above
