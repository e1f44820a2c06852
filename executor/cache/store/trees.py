"""Trees that somebody may change while we work in them: every step is made from an open folder, no link is followed.

A job is root in its containers and can swap a folder for a link to /etc between any two of our calls. So a path is
opened component by component with O_NOFOLLOW, and from then on only names in open folders are used.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor.cache.store.failures import CacheFailure, UnsafePath

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OPAQUE = "trusted.overlay.opaque"
REDIRECT = "trusted.overlay.redirect"
OVERLAY = "trusted.overlay."

# Each level of a walk holds its folder open; no real cache is nested this deep.
DEEPEST = 200


@dataclass
class Size:
    """What a tree takes: `bytes` on the disk, each hard-linked file once, and `files` (all that are not folders)."""

    bytes: int = 0
    files: int = 0


def parts_of(path: str) -> list[str]:
    """The components of a relative path. `UnsafePath` if it is absolute or climbs."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or "\0" in path:
        raise UnsafePath(f"The path {path!r} leaves its folder.")
    return parts


def open_below(root: int, path: str) -> int:
    """A descriptor of the folder `path` below the open folder `root`.

    `UnsafePath` if a component is no folder, FileNotFoundError if one is missing.
    """
    current = os.dup(root)
    for part in parts_of(path):
        try:
            deeper = open_folder(part, current)
        finally:
            os.close(current)
        current = deeper
    return current


def open_folder(name: str, parent: int) -> int:
    """A descriptor of the folder `name` in `parent`; `UnsafePath` if it is something else."""
    try:
        return os.open(name, FOLDER, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise UnsafePath(f"{name!r} is a link or a file where a folder is expected.") from error
        raise


@contextmanager
def folder_at(path: str) -> Iterator[int]:
    """The folder at an absolute path that no job can change, open for as long as the block runs."""
    descriptor = os.open(path, FOLDER)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def folder_below(root: int, path: str) -> Iterator[int]:
    """`open_below` for as long as the block runs."""
    descriptor = open_below(root, path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def make_below(root: int, path: str, *, like: int | None = None) -> int:
    """As `open_below`, but makes what is missing (0755), with mode and owner of the same path below `like`."""
    current, model = os.dup(root), None if like is None else os.dup(like)
    try:
        for part in parts_of(path):
            model = _step(model, part)
            made = _make_folder(part, current)
            deeper = open_folder(part, current)
            os.close(current)
            current = deeper
            if made and model is not None:
                _give_mode_and_owner(current, os.fstat(model))
    except BaseException:
        os.close(current)
        raise
    finally:
        if model is not None:
            os.close(model)
    return current


def _step(model: int | None, part: str) -> int | None:
    if model is None:
        return None
    try:
        return open_folder(part, model)
    except (OSError, UnsafePath):
        return None
    finally:
        os.close(model)


def _make_folder(name: str, parent: int) -> bool:
    try:
        os.mkdir(name, 0o755, dir_fd=parent)
    except FileExistsError:
        return False
    return True


def _give_mode_and_owner(descriptor: int, facts: os.stat_result) -> None:
    give_owner(descriptor, facts)
    os.fchmod(descriptor, stat.S_IMODE(facts.st_mode))


def give_owner(descriptor: int, facts: os.stat_result) -> None:
    """Give an open file its owner, where we may."""
    if os.geteuid() == 0:
        os.fchown(descriptor, facts.st_uid, facts.st_gid)


def split(path: str) -> tuple[str, str]:
    """The parent ("" at the top) and the last name of a relative path; `UnsafePath` if there is none."""
    parts = parts_of(path)
    if not parts:
        raise UnsafePath("The path is empty.")
    return "/".join(parts[:-1]), parts[-1]


def join(*paths: str) -> str:
    """Relative paths as one, without empty components; `UnsafePath` if one is absolute or climbs."""
    return "/".join(part for path in paths for part in parts_of(path))


def look(root: int, path: str) -> os.stat_result | None:
    """What lies at `path` below `root`, links not followed; None if nothing does, or a parent is no folder."""
    parent, name = split(path)
    try:
        with folder_below(root, parent) as folder:
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, UnsafePath):
        return None


def move(source: int, path: str, target: int, new_path: str) -> None:
    """Rename `path` below `source` to `new_path` below `target`; missing parents are made like the old ones.

    A link is moved as a link. `UnsafePath` as in `open_below`; FileNotFoundError if there is nothing; OSError(EXDEV)
    between file systems or mounts; OSError if something that cannot be replaced is in the way.
    """
    (parent, name), (new_parent, new_name) = split(path), split(new_path)
    with folder_below(source, parent) as old:
        new = make_below(target, new_parent, like=source if parent == new_parent else None)
        try:
            os.rename(name, new_name, src_dir_fd=old, dst_dir_fd=new)
        finally:
            os.close(new)


def is_whiteout(facts: os.stat_result) -> bool:
    """Whether an overlay's upper folder says by this file that the name is gone."""
    return stat.S_ISCHR(facts.st_mode) and facts.st_rdev == 0


def make_whiteout(name: str, parent: int) -> None:
    """Say in the open folder `parent` that `name` is gone."""
    os.mknod(name, stat.S_IFCHR, 0, dir_fd=parent)


def mark_of(descriptor: int, attribute: str) -> str:
    """The value of an overlay's attribute of an open folder; "" if it has none."""
    try:
        return os.getxattr(descriptor, attribute).decode(errors="surrogateescape")
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP, errno.EPERM):
            return ""
        raise


def is_opaque(descriptor: int) -> bool:
    """Whether an open folder hides what lies below it in an overlay."""
    return mark_of(descriptor, OPAQUE) == "y"


def too_deep(depth: int) -> None:
    """`CacheFailure` if a walk has gone deeper than any real cache is."""
    if depth > DEEPEST:
        raise CacheFailure(f"Folders are nested deeper than {DEEPEST} levels.", fix="Leave them out of the cache.")


def measure(root: int, path: str) -> Size:
    """What lies at `path` below `root`, links not followed."""
    size, seen = Size(), set[tuple[int, int]]()
    facts = look(root, path) if path else os.fstat(root)
    if facts is None:
        return size
    if not stat.S_ISDIR(facts.st_mode):
        return Size(facts.st_blocks * 512, 1)
    with folder_below(root, path) as folder:
        _measure(folder, size, seen, 0)
    return size


def _measure(folder: int, size: Size, seen: set[tuple[int, int]], depth: int) -> None:
    too_deep(depth)
    size.bytes += os.fstat(folder).st_blocks * 512
    for entry in listed(folder):
        facts = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(facts.st_mode):
            with folder_below(folder, entry.name) as deeper:
                _measure(deeper, size, seen, depth + 1)
        elif not is_whiteout(facts):
            size.files += 1
            size.bytes += once(facts, seen)


def listed(folder: int) -> list[os.DirEntry[str]]:
    """The entries of an open folder."""
    with os.scandir(folder) as entries:
        return list(entries)


def once(facts: os.stat_result, seen: set[tuple[int, int]]) -> int:
    """The bytes of a file on the disk; 0 if another of its names was `seen`."""
    if facts.st_nlink > 1:
        inode = (facts.st_dev, facts.st_ino)
        if inode in seen:
            return 0
        seen.add(inode)
    return facts.st_blocks * 512
