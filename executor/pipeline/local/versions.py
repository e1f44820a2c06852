"""Versions of single files, for cache keys."""

from __future__ import annotations

import hashlib

from executor.pipeline.local.git import ask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.pipeline.local.repository import Repository


def version_of(repository: Repository, path: str, *, committed_only: bool) -> str:
    """The last commit that changed `path`, a digest of its content where it is changed since.

    "" if there is no such file. `path` may be a folder or a pattern, as git understands it.
    """
    if path in repository.changed and not committed_only:
        file = repository.root / path
        return hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest() if file.is_file() else ""
    return ask(repository.root, "log", "-1", "--format=%H", repository.sha, "--", path) if path else ""
