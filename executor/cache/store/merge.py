"""Layers seen as one tree, the way the kernel's overlay shows them, without mounting anything.

A merged folder is a list of open folders, the top one first: each is that folder in one layer, and those that an opaque
one hides are left out. Published layers hold no redirects.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from executor.cache.store import trees

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Folders = list[int]


@dataclass
class Entry:
    """A name of a merged folder: its `facts`, and which of the open folders hold it (a file: the first one only)."""

    name: str
    facts: os.stat_result
    holders: list[int]
    closed: bool = field(default=False)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, to be opened with `opened`."""
        return stat.S_ISDIR(self.facts.st_mode)

    @property
    def gone(self) -> bool:
        """Whether a layer says that the name is gone."""
        return trees.is_whiteout(self.facts)


def entries(folders: Sequence[int]) -> list[Entry]:
    """What is to be seen in a merged folder."""
    found: dict[str, Entry] = {}
    for folder in folders:
        for item in trees.listed(folder):
            _add(found, item, folder)
    return [entry for entry in found.values() if not entry.gone]


def _add(found: dict[str, Entry], item: os.DirEntry[str], folder: int) -> None:
    facts = item.stat(follow_symlinks=False)
    entry = found.get(item.name)
    if entry is None:
        found[item.name] = Entry(item.name, facts, [folder], closed=not stat.S_ISDIR(facts.st_mode))
    elif not entry.closed:
        if stat.S_ISDIR(facts.st_mode):
            entry.holders.append(folder)
        else:
            entry.closed = True


def lookup(folders: Sequence[int], name: str) -> Entry | None:
    """One name of a merged folder; None if it is not there."""
    entry: Entry | None = None
    for folder in folders:
        try:
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if not stat.S_ISDIR(facts.st_mode):
            return entry or (None if trees.is_whiteout(facts) else Entry(name, facts, [folder]))
        if entry:
            entry.holders.append(folder)
        else:
            entry = Entry(name, facts, [folder])
    return entry


@contextmanager
def opened(entry: Entry) -> Iterator[Folders]:
    """A folder of a merged folder, as a merged folder."""
    folders: Folders = []
    try:
        for holder in entry.holders:
            folders.append(trees.open_folder(entry.name, holder))
            if trees.is_opaque(folders[-1]):
                break
        yield folders
    finally:
        close(folders)


@contextmanager
def layers_at(paths: Sequence[str]) -> Iterator[Folders]:
    """The roots of layers, the top one first."""
    folders: Folders = []
    try:
        folders.extend(os.open(path, trees.FOLDER) for path in paths)
        yield folders
    finally:
        close(folders)


@contextmanager
def merged_at(folders: Sequence[int], path: str) -> Iterator[Folders]:
    """The merged folder at a relative path below a merged folder; empty if there is none."""
    parts = trees.parts_of(path)
    if not parts:
        yield list(folders)
        return
    entry = lookup(folders, parts[0])
    if entry is None or not entry.is_folder:
        yield []
        return
    with opened(entry) as deeper, merged_at(deeper, "/".join(parts[1:])) as found:
        yield found


def find(folders: Sequence[int], path: str) -> os.stat_result | None:
    """What is to be seen at a relative path below a merged folder; None if nothing is."""
    parent, name = trees.split(path)
    with merged_at(folders, parent) as deeper:
        entry = lookup(deeper, name)
        return entry.facts if entry else None


def measure(folders: Sequence[int]) -> trees.Size:
    """What a merged folder takes, itself included."""
    size = trees.Size()
    if folders:
        _measure(folders, size, set(), 0)
    return size


def measure_entry(entry: Entry) -> trees.Size:
    """What a name of a merged folder takes, with all that is below it."""
    if not entry.is_folder:
        return trees.Size(entry.facts.st_blocks * 512, 1)
    with opened(entry) as folders:
        return measure(folders)


def _measure(folders: Sequence[int], size: trees.Size, seen: set[tuple[int, int]], depth: int) -> None:
    trees.too_deep(depth)
    size.bytes += os.fstat(folders[0]).st_blocks * 512
    for entry in entries(folders):
        if entry.is_folder:
            with opened(entry) as deeper:
                _measure(deeper, size, seen, depth + 1)
        else:
            size.files += 1
            size.bytes += trees.once(entry.facts, seen)


def close(folders: Sequence[int]) -> None:
    """Close the open folders."""
    for folder in folders:
        os.close(folder)
