"""The digest of a layer's tree: of all that a job could see of it but the times."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from executor.cache.store import trees
from executor.cache.store.copying import open_file

if TYPE_CHECKING:
    from hashlib import _Hash


def digest_of(path: str) -> str:
    """The sha256 of the tree at an absolute path: names, kinds, modes, owners, attributes, contents, link targets.

    It is the same for a tree that went through a tar archive. OSError if something cannot be read.
    """
    digest = hashlib.sha256()
    with trees.folder_at(path) as folder:
        _folder(folder, "", digest, 0)
    return digest.hexdigest()


def _folder(folder: int, at: str, digest: _Hash, depth: int) -> None:
    trees.too_deep(depth)
    for item in sorted(trees.listed(folder), key=lambda entry: os.fsencode(entry.name)):
        facts = item.stat(follow_symlinks=False)
        path = f"{at}/{item.name}"
        head = f"{path}\0{facts.st_mode:o}\0{facts.st_uid}\0{facts.st_gid}\0{facts.st_rdev}\0"
        digest.update(os.fsencode(head))
        if stat.S_ISDIR(facts.st_mode):
            with trees.folder_below(folder, item.name) as deeper:
                _attributes(deeper, digest)
                _folder(deeper, path, digest, depth + 1)
        elif stat.S_ISLNK(facts.st_mode):
            digest.update(os.fsencode(os.readlink(item.name, dir_fd=folder)) + b"\0")
        elif stat.S_ISREG(facts.st_mode):
            _file(item.name, folder, digest)


def _file(name: str, folder: int, digest: _Hash) -> None:
    descriptor = open_file(name, folder)
    with open(descriptor, "rb", buffering=0) as file:
        _attributes(descriptor, digest)
        digest.update(hashlib.file_digest(file, "sha256").digest())


def _attributes(descriptor: int, digest: _Hash) -> None:
    for name in sorted(os.listxattr(descriptor)):
        if name == trees.OPAQUE or not name.startswith(trees.OVERLAY):
            value = os.getxattr(descriptor, name)
            digest.update(f"{name}\0{len(value)}\0".encode(errors="surrogateescape") + value)
