"""What a job did to a cache, taken out of the folder in which it worked: an overlay's upper folder, or a plain one."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from executor.cache.store import trees
from executor.cache.store.failures import MustCopy, UnsafePath
from executor.cache.store.removing import remove_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

UNTOUCHED, THERE, GONE = "untouched", "there", "gone"


def take_roots(upper: int, prefix: str, roots: Sequence[str], staged: int) -> list[str]:
    """Move the cached `roots` out of the open folder `upper` into the open, empty folder `staged`, laid out alike.

    `upper` is no overlay's upper folder any more (unmounted), or never was. A root that the job removed becomes a
    whiteout; one whose parent was made anew is marked opaque. Gives the roots that were found or removed.
    `MustCopy`, before anything is moved, if a parent of a root was renamed while mounted: copy the merged view then.
    """
    states = {root: state_of(upper, trees.join(prefix, root)) for root in roots}
    for root, (state, hides) in states.items():
        path = trees.join(prefix, root)
        if state == GONE:
            _mark_gone(staged, path)
        elif state == THERE:
            trees.move(upper, path, staged, path)
            if hides:
                _mark_opaque(staged, path)
    return [root for root, (state, _) in states.items() if state != UNTOUCHED]


def state_of(upper: int, path: str) -> tuple[str, bool]:
    """Whether the upper folder left `path` UNTOUCHED, has it THERE or says that it is GONE; and whether it hides
    everything that lies there in the layers below.
    """
    *parents, _ = parts = trees.parts_of(path)
    hides = False
    for count in range(1, len(parents) + 1):
        parent = "/".join(parts[:count])
        facts = trees.look(upper, parent)
        if facts is None:
            return (GONE if hides else UNTOUCHED), hides
        if not stat.S_ISDIR(facts.st_mode):
            return GONE, True
        hides = _marks(upper, parent, hides)
    facts = trees.look(upper, path)
    if facts is None:
        return (GONE if hides else UNTOUCHED), hides
    return (GONE if trees.is_whiteout(facts) else THERE), hides


def _marks(upper: int, path: str, hides: bool) -> bool:
    with trees.folder_below(upper, path) as folder:
        if trees.mark_of(folder, trees.REDIRECT):
            raise MustCopy(f"The folder {path!r} was renamed, with a cache below it.")
        return hides or trees.is_opaque(folder)


def _mark_gone(staged: int, path: str) -> None:
    parent, name = trees.split(path)
    folder = trees.make_below(staged, parent)
    try:
        trees.make_whiteout(name, folder)
    finally:
        os.close(folder)


def _mark_opaque(staged: int, path: str) -> None:
    try:
        with trees.folder_below(staged, path) as folder:
            os.setxattr(folder, trees.OPAQUE, b"y")
    except UnsafePath:
        return


def purge(upper: int, prefix: str, roots: Sequence[str]) -> None:
    """Remove the cached `roots` from a folder that the next job will work in.

    What a job changed of a mounted cache is there in part only, and whiteouts would be seen as devices.
    """
    for root in roots:
        path = trees.join(prefix, root)
        remove_tree(upper, path)
        parts = trees.parts_of(path)
        for count in range(1, len(parts)):
            facts = trees.look(upper, "/".join(parts[:count]))
            if facts is not None and trees.is_whiteout(facts):
                remove_tree(upper, "/".join(parts[:count]))
