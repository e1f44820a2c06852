"""The signs that an overlay leaves in its upper folder, and what they mean once it is not mounted any more.

A renamed folder's sign says where in the layers its content lies; a whiteout that a name is gone; an opaque folder that
it hides what is below. Without the layers the first is half of a folder, and the others are clutter.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from executor.cache.store import trees
from executor.cache.store.failures import UnsafePath
from executor.cache.store.removing import remove_tree

if TYPE_CHECKING:
    from collections.abc import Container


def has_renamed(folder: int, apart_from: Container[str], at: str = "", depth: int = 0) -> bool:
    """Whether a folder below the open `folder` was renamed while mounted; paths `apart_from` are not looked into."""
    trees.too_deep(depth)
    for name in _folders_in(folder):
        path = f"{at}/{name}" if at else name
        if path not in apart_from and _is_renamed(folder, name, apart_from, path, depth):
            return True
    return False


def _is_renamed(parent: int, name: str, apart_from: Container[str], path: str, depth: int) -> bool:
    with suppress(FileNotFoundError, UnsafePath), trees.folder_below(parent, name) as folder:
        return bool(trees.mark_of(folder, trees.REDIRECT)) or has_renamed(folder, apart_from, path, depth + 1)
    return False


def remove_marks(folder: int, depth: int = 0) -> None:
    """Make a former upper folder a plain one: renamed folders go, of which half is elsewhere, and so do whiteouts."""
    if depth > trees.DEEPEST:
        return
    for entry in trees.listed(folder):
        if entry.is_dir(follow_symlinks=False):
            _unmark(folder, entry.name, depth)
        elif not (entry.is_file(follow_symlinks=False) or entry.is_symlink()):
            with suppress(FileNotFoundError):
                if trees.is_whiteout(entry.stat(follow_symlinks=False)):
                    os.unlink(entry.name, dir_fd=folder)


def _unmark(parent: int, name: str, depth: int) -> None:
    with suppress(FileNotFoundError, UnsafePath), trees.folder_below(parent, name) as folder:
        if not trees.mark_of(folder, trees.REDIRECT):
            if trees.is_opaque(folder):
                os.removexattr(folder, trees.OPAQUE)
            remove_marks(folder, depth + 1)
            return
    remove_tree(parent, name)


def _folders_in(folder: int) -> list[str]:
    return [entry.name for entry in trees.listed(folder) if entry.is_dir(follow_symlinks=False)]
