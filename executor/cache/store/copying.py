"""Copying or hard-linking a merged tree, with all that files are: modes, owners, times, attributes, holes, links."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from executor.cache.store import merge, trees
from executor.cache.store.failures import UnsafePath
from executor.cache.store.removing import remove_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

CHUNK = 1 << 30
CANNOT = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
UNSUPPORTED = (errno.ENOTSUP, errno.EPERM, errno.EACCES)


class Copying:
    """Copies trees below the open folder `target`; `linked` makes hard links of the files instead.

    Something in the way is replaced, a folder in the place of a folder is merged with. Names that were hard links of
    one file are so again. FIFOs, sockets and devices are left out.
    """

    def __init__(self, target: int, *, linked: bool = False) -> None:
        self._target = target
        self._linked = linked
        self._first: dict[tuple[int, int], tuple[str, str]] = {}
        self._counted: set[tuple[int, int]] = set()
        self.size = trees.Size()

    def content(self, folders: Sequence[int], path: str) -> None:
        """Copy what is in a merged folder into the folder `path` below the target, which is there."""
        with trees.folder_below(self._target, path) as into:
            self._content(folders, into, path, 0)

    def entry(self, entry: merge.Entry, into: int, at: str, depth: int = 0) -> None:
        """Copy one name of a merged folder into the open folder `into`, which lies at `at` below the target."""
        if entry.is_folder:
            self._folder(entry, into, f"{at}/{entry.name}", depth)
        elif stat.S_ISLNK(entry.facts.st_mode):
            self._once(entry, into, at, _copy_link)
        elif stat.S_ISREG(entry.facts.st_mode):
            self._once(entry, into, at, copy_file)

    def _content(self, folders: Sequence[int], into: int, at: str, depth: int) -> None:
        trees.too_deep(depth)
        for entry in merge.entries(folders):
            self.entry(entry, into, at, depth + 1)

    def _folder(self, entry: merge.Entry, into: int, at: str, depth: int) -> None:
        with merge.opened(entry) as folders:
            made = _folder_in(entry.name, into)
            try:
                self._content(folders, made, at, depth)
                copy_attributes(folders[0], made)
                self.size.bytes += os.fstat(made).st_blocks * 512
            finally:
                os.close(made)

    def _once(self, entry: merge.Entry, into: int, at: str, copy: Copy) -> None:
        _make_way(entry.name, into)
        inode = (entry.facts.st_dev, entry.facts.st_ino)
        self.size.files += 1
        if self._linked:
            _link(entry, into, copy)
            self.size.bytes += trees.once(entry.facts, self._counted)
        elif inode in self._first:
            self._link_to_first(inode, entry.name, into)
        else:
            copy(entry.name, entry.holders[0], into)
            if entry.facts.st_nlink > 1:
                self._first[inode] = (at, entry.name)
            self.size.bytes += entry.facts.st_blocks * 512

    def _link_to_first(self, inode: tuple[int, int], name: str, into: int) -> None:
        at, first = self._first[inode]
        with trees.folder_below(self._target, at.lstrip("/")) as folder:
            os.link(first, name, src_dir_fd=folder, dst_dir_fd=into, follow_symlinks=False)


if TYPE_CHECKING:
    from collections.abc import Callable

    Copy = Callable[[str, int, int], None]


def copy_tree(source: int, path: str, target: int, new_path: str) -> trees.Size:
    """Copy `path` below the open folder `source` to `new_path` below `target`; missing parents are made like the old.

    `UnsafePath` if a parent is no folder; FileNotFoundError if there is nothing at `path`.
    """
    (parent, name), (new_parent, new_name) = trees.split(path), trees.split(new_path)
    if name != new_name:
        raise ValueError("a copy keeps its name")
    copying = Copying(target)
    with trees.folder_below(source, parent) as old:
        entry = merge.lookup([old], name)
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        into = trees.make_below(target, new_parent, like=source if parent == new_parent else None)
        try:
            copying.entry(entry, into, new_parent)
        finally:
            os.close(into)
    return copying.size


def _link(entry: merge.Entry, into: int, copy: Copy) -> None:
    try:
        os.link(entry.name, entry.name, src_dir_fd=entry.holders[0], dst_dir_fd=into, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EMLINK:
            raise
        copy(entry.name, entry.holders[0], into)


def _folder_in(name: str, into: int) -> int:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=into)
    try:
        return trees.open_folder(name, into)
    except UnsafePath:
        _make_way(name, into)
        os.mkdir(name, 0o700, dir_fd=into)
        return trees.open_folder(name, into)


def _make_way(name: str, into: int) -> None:
    try:
        os.unlink(name, dir_fd=into)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        remove_tree(into, name)


def _copy_link(name: str, source: int, into: int) -> None:
    facts = os.stat(name, dir_fd=source, follow_symlinks=False)
    os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=into)
    if os.geteuid() == 0:
        os.chown(name, facts.st_uid, facts.st_gid, dir_fd=into, follow_symlinks=False)
    os.utime(name, ns=(facts.st_atime_ns, facts.st_mtime_ns), dir_fd=into, follow_symlinks=False)


def open_file(name: str, folder: int) -> int:
    """A descriptor to read a regular file by.

    Opening a device or a FIFO can do things or wait for ever, so it is looked at first, through a descriptor that only
    names it. `UnsafePath` if it is no regular file.
    """
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise UnsafePath(f"{name!r} is no file any more.")
        return os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(handle)


def copy_file(name: str, source: int, into: int, new_name: str = "") -> None:
    """Copy a regular file from one open folder into another, where the name is free."""
    old = open_file(name, source)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        new = os.open(new_name or name, flags, 0o600, dir_fd=into)
        try:
            _copy_data(old, new)
            copy_attributes(old, new)
        finally:
            os.close(new)
    finally:
        os.close(old)


def _copy_data(old: int, new: int) -> None:
    facts = os.fstat(old)
    if facts.st_blocks * 512 >= facts.st_size:
        _copy_range(old, new, 0, facts.st_size)
        return
    end = 0
    while (start := _next_data(old, end)) is not None:
        end = os.lseek(old, start, os.SEEK_HOLE)
        _copy_range(old, new, start, end)
    os.ftruncate(new, facts.st_size)


def _next_data(descriptor: int, offset: int) -> int | None:
    try:
        return os.lseek(descriptor, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise


def _copy_range(old: int, new: int, start: int, end: int) -> None:
    os.lseek(new, start, os.SEEK_SET)
    copied, by_range = start, True
    while copied < end:
        count = min(end - copied, CHUNK)
        try:
            done = os.copy_file_range(old, new, count, copied) if by_range else os.sendfile(new, old, copied, count)
        except OSError as error:
            if not by_range or error.errno not in CANNOT:
                raise
            by_range = False
            continue
        if done == 0:
            return
        copied += done


def copy_attributes(old: int, new: int) -> None:
    """Give an open file or folder another one's owner, attributes, mode and times."""
    facts = os.fstat(old)
    trees.give_owner(new, facts)
    os.fchmod(new, stat.S_IMODE(facts.st_mode))
    for name in _attributes_of(old):
        if not name.startswith(trees.OVERLAY):
            _copy_attribute(old, new, name)
    os.utime(new, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def _attributes_of(descriptor: int) -> list[str]:
    try:
        return os.listxattr(descriptor)
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return []
        raise


def _copy_attribute(old: int, new: int, name: str) -> None:
    try:
        os.setxattr(new, name, os.getxattr(old, name))
    except OSError as error:
        if error.errno not in (*UNSUPPORTED, errno.ENODATA):
            raise
