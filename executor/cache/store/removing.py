"""Removing trees of any depth that somebody may still be changing."""

from __future__ import annotations

import os
from contextlib import suppress

from executor.cache.store import trees
from executor.cache.store.failures import UnsafePath

# Deeper folders are moved up before they are removed: a walk holds a folder open for each level.
DEEP = 100
MOVED = ".removed-"


def remove_tree(root: int, path: str) -> None:
    """Remove what lies at `path` below the open folder `root`, if anything does; links are removed, not followed.

    OSError if something cannot be removed: the rest of the tree is gone then.
    """
    parent, name = trees.split(path)
    try:
        with trees.folder_below(root, parent) as folder:
            _Removal(folder).remove(name, folder, 0)
    except (FileNotFoundError, UnsafePath):
        return


class _Removal:
    """One call of `remove_tree`; `top` is the open folder that deep folders are moved to."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._errors: list[OSError] = []
        self._moved: list[str] = []

    def remove(self, name: str, folder: int, depth: int) -> None:
        """Remove a tree; the first thing that could not be removed is the error."""
        self._entry(name, folder, depth)
        while self._moved:
            self._entry(self._moved.pop(), self._top, 0)
        if self._errors:
            raise self._errors[0]

    def _entry(self, name: str, folder: int, depth: int) -> None:
        try:
            deeper = os.open(name, trees.FOLDER, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError:
            self._unlink(name, folder)
            return
        try:
            self._content(deeper, depth)
        finally:
            os.close(deeper)
        try:
            os.rmdir(name, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError as error:
            self._errors.append(error)

    def _content(self, folder: int, depth: int) -> None:
        for entry in trees.listed(folder):
            if not entry.is_dir(follow_symlinks=False):
                self._unlink(entry.name, folder)
            elif depth < DEEP:
                self._entry(entry.name, folder, depth + 1)
            else:
                self._move_up(entry.name, folder)

    def _move_up(self, name: str, folder: int) -> None:
        moved = f"{MOVED}{os.urandom(8).hex()}"
        os.rename(name, moved, src_dir_fd=folder, dst_dir_fd=self._top)
        self._moved.append(moved)

    def _unlink(self, name: str, folder: int) -> None:
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return
        except IsADirectoryError:
            with suppress(OSError):
                os.rmdir(name, dir_fd=folder)
        except OSError as error:
            self._errors.append(error)
