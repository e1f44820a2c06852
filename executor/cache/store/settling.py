"""A staged tree made into what a layer may be: counted, free of devices, and of links that lead out of it.

Staged is a whole tree, or a delta on a base as an overlay's upper folder holds it: with whiteouts, opaque folders and
redirects. Afterwards it holds no redirects: what a renamed folder shows is linked into it from the layers below.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from executor.cache.store import merge, trees
from executor.cache.store.copying import Copying, copy_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KEPT = (stat.S_IFREG, stat.S_IFLNK)


@dataclass
class Settled:
    """What a staged tree turned out to be.

    `own` is what lies in it, `hidden` what it hides of the base. It stands `alone` if nothing of the base is seen
    through it; it is `changed` unless it says exactly what the base says.
    """

    alone: bool
    own: trees.Size = field(default_factory=trees.Size)
    hidden: trees.Size = field(default_factory=trees.Size)
    changed: bool = False


def settle(staged: int, prefix: str, roots: Sequence[str], base: Sequence[str], mounted: Sequence[str]) -> Settled:
    """Make the open folder `staged` a layer's tree on the layers at the paths `base`, the top one first.

    `mounted` are the paths of all layers that were below the upper folder that it comes from: where renames lead.
    `CacheFailure` if it is nested too deep, `UnsafePath` if somebody swaps folders for links meanwhile.
    """
    with merge.layers_at(base) as below, merge.layers_at(mounted) as sources:
        alone = all(_covers(staged, below, trees.join(prefix, root)) for root in roots)
        settling = _Settling(staged, sources, alone)
        settling.folder(staged, [] if alone else below, [], _Where("", ""), 0)
        settling.cut_links()
        return settling.settled


def _covers(staged: int, base: Sequence[int], path: str) -> bool:
    if not base or (trees.parts_of(path) and merge.find(base, path) is None):
        return True
    parts = trees.parts_of(path)
    for count in range(1, len(parts) + 1):
        facts = trees.look(staged, "/".join(parts[:count]))
        if facts is None:
            return False
        if not stat.S_ISDIR(facts.st_mode) or _hides(staged, "/".join(parts[:count])):
            return True
    return False


def _hides(staged: int, path: str) -> bool:
    with trees.folder_below(staged, path) as folder:
        return trees.is_opaque(folder) or bool(trees.mark_of(folder, trees.REDIRECT))


@dataclass(frozen=True)
class _Where:
    """Where a staged folder lies (`path`), and where the layers below have what it shows (`origin`)."""

    path: str
    origin: str

    def below(self, name: str) -> _Where:
        """The same for a folder in it."""
        return _Where(f"{self.path}/{name}", f"{self.origin}/{name}")


@dataclass
class _Linked:
    """The staged names of an inode that has several, and how many it has everywhere."""

    everywhere: int
    names: list[tuple[str, str]] = field(default_factory=list)


class _Settling:
    """One call of `settle`."""

    def __init__(self, staged: int, sources: Sequence[int], alone: bool) -> None:
        self._staged = staged
        self._sources = sources
        self._seen: dict[tuple[int, int], _Linked] = {}
        self._copying = Copying(staged, linked=True)
        self.settled = Settled(alone, changed=alone)

    def folder(self, folder: int, base: Sequence[int], shown: Sequence[int], where: _Where, depth: int) -> None:
        """Settle an open staged folder. `base` is that folder below it; `shown` what a rename further up shows here."""
        trees.too_deep(depth)
        redirect = trees.mark_of(folder, trees.REDIRECT)
        opaque = bool(redirect) or trees.is_opaque(folder)
        if opaque and base:
            self._hide(merge.measure(base))
        where = _origin(where, redirect)
        with self._shown(redirect, opaque, shown, where) as through:
            self._count_folder(folder, [] if opaque else base)
            names = self._names(folder, [] if opaque else base, through, where, depth)
            self._absorb(folder, through, names, where)
        self._mark(folder, redirect, opaque)

    @contextmanager
    def _shown(self, redirect: str, opaque: bool, shown: Sequence[int], where: _Where) -> Iterator[Sequence[int]]:
        if redirect:
            with merge.merged_at(self._sources, where.origin.lstrip("/")) as folders:
                yield folders
        else:
            yield [] if opaque else shown

    def _count_folder(self, folder: int, base: Sequence[int]) -> None:
        facts = os.fstat(folder)
        self.settled.own.bytes += facts.st_blocks * 512
        if base:
            below = os.fstat(base[0])
            self.settled.hidden.bytes += below.st_blocks * 512
            same = (facts.st_mode, facts.st_uid, facts.st_gid) == (below.st_mode, below.st_uid, below.st_gid)
            self.settled.changed |= not same
        else:
            self.settled.changed = True

    def _names(self, folder: int, base: Sequence[int], shown: Sequence[int], where: _Where, depth: int) -> set[str]:
        names = set()
        for item in trees.listed(folder):
            names.add(item.name)
            facts = item.stat(follow_symlinks=False)
            below = merge.lookup(base, item.name) if base else None
            if stat.S_ISDIR(facts.st_mode):
                self._deeper(folder, item.name, below, shown, where.below(item.name), depth)
            elif stat.S_IFMT(facts.st_mode) in KEPT:
                self._keep(item.name, facts, below, where)
            else:
                self._drop(folder, item.name, facts, below)
        return names

    def _deeper(
        self, folder: int, name: str, below: merge.Entry | None, shown: Sequence[int], where: _Where, depth: int
    ) -> None:
        if below and not below.is_folder:
            self._hide(merge.measure_entry(below))
            below = None
        through = merge.lookup(shown, name) if shown else None
        with trees.folder_below(folder, name) as deeper, _folders(below) as base, _folders(through) as seen:
            self.folder(deeper, base, seen, where, depth + 1)

    def _keep(self, name: str, facts: os.stat_result, below: merge.Entry | None, where: _Where) -> None:
        self.settled.changed = True
        self.settled.own.files += 1
        if below:
            self._hide(merge.measure_entry(below))
        if facts.st_nlink == 1 or stat.S_ISLNK(facts.st_mode):
            self.settled.own.bytes += facts.st_blocks * 512
            return
        linked = self._seen.setdefault((facts.st_dev, facts.st_ino), _Linked(facts.st_nlink))
        self.settled.own.bytes += 0 if linked.names else facts.st_blocks * 512
        linked.names.append((where.path.lstrip("/"), name))

    def _drop(self, folder: int, name: str, facts: os.stat_result, below: merge.Entry | None) -> None:
        if below:
            self.settled.changed = True
            self._hide(merge.measure_entry(below))
            if trees.is_whiteout(facts):
                return
        os.unlink(name, dir_fd=folder)
        if below:
            trees.make_whiteout(name, folder)

    def _hide(self, size: trees.Size) -> None:
        self.settled.changed = True
        self.settled.hidden.files += size.files
        self.settled.hidden.bytes += size.bytes

    def _absorb(self, folder: int, shown: Sequence[int], names: set[str], where: _Where) -> None:
        before = trees.Size(self._copying.size.bytes, self._copying.size.files)
        for entry in merge.entries(shown):
            if entry.name not in names:
                self._copying.entry(entry, folder, where.path)
        self.settled.own.files += self._copying.size.files - before.files
        self.settled.own.bytes += self._copying.size.bytes - before.bytes

    def _mark(self, folder: int, redirect: str, opaque: bool) -> None:
        if redirect:
            os.removexattr(folder, trees.REDIRECT)
        if opaque and self.settled.alone:
            if trees.is_opaque(folder):
                os.removexattr(folder, trees.OPAQUE)
        elif redirect:
            os.setxattr(folder, trees.OPAQUE, b"y")

    def cut_links(self) -> None:
        """Give each file that has names outside of the tree as well an inode of its own: a layer must never change."""
        for linked in self._seen.values():
            if len(linked.names) < linked.everywhere:
                self._cut(linked.names)

    def _cut(self, names: list[tuple[str, str]]) -> None:
        (parent, name), *others = names
        temporary = f".{os.urandom(8).hex()}"
        with trees.folder_below(self._staged, parent) as folder:
            copy_file(name, folder, folder, temporary)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            for other_parent, other in others:
                with trees.folder_below(self._staged, other_parent) as other_folder:
                    os.unlink(other, dir_fd=other_folder)
                    os.link(name, other, src_dir_fd=folder, dst_dir_fd=other_folder, follow_symlinks=False)


def _origin(where: _Where, redirect: str) -> _Where:
    if not redirect:
        return where
    if redirect.startswith("/"):
        return _Where(where.path, redirect)
    return _Where(where.path, f"{where.origin.rpartition('/')[0]}/{redirect}")


@contextmanager
def _folders(entry: merge.Entry | None) -> Iterator[Sequence[int]]:
    if entry is None or not entry.is_folder:
        yield []
        return
    with merge.opened(entry) as folders:
        yield folders
