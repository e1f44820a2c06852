"""Caches written down: what is staged and what is seen, as dictionaries of paths below the project.

Text is a file's content, GONE a whiteout; a path that ends with a slash is a folder, with `OPAQUE` an opaque one.
"""

from __future__ import annotations

import os
import stat
import tempfile
from typing import TYPE_CHECKING

from executor.cache.store import trees
from executor.cache.store.model import Maker, Place, Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executor.cache.store.store import Store

PREFIX = "group/project"
MAKER = Maker(job_id=5, job_name="build", project=PREFIX)
GONE, OPAQUE = object(), object()


def place(key: str = "default", *, project: int = 7, trust: str = "p") -> Place:
    """A place of project 7, protected."""
    return Place(project_id=project, trust=trust, key=key)


def lay(folder: str, content: Mapping[str, object]) -> None:
    """Make what is written down."""
    for path, what in content.items():
        os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
        if what is OPAQUE:
            os.setxattr(f"{folder}/{path}", trees.OPAQUE, b"y")
        elif what is GONE:
            os.mknod(f"{folder}/{path}", stat.S_IFCHR, 0)
        elif isinstance(what, str):
            with open(f"{folder}/{path}", "w") as file:
                file.write(what)


def save(
    store: Store,
    content: Mapping[str, object],
    *,
    at: Place | None = None,
    base: Snapshot | None = None,
    roots: Sequence[str] = ("node_modules",),
    lease: str = "job",
    prefix: str = PREFIX,
) -> Snapshot:
    """Publish what is written down."""
    staged = store.stage(lease)
    lay(f"{staged}/{prefix}", content)
    return store.publish(at or place(), staged, lease=lease, base=base, prefix=prefix, roots=roots, maker=MAKER)


def shown(store: Store, snapshot: Snapshot, prefix: str = PREFIX) -> dict[str, str]:
    """The files that a snapshot shows, and their contents; empty folders end with a slash."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(store.folder)) as target:
        with trees.folder_at(target) as descriptor:
            store.materialise(snapshot, descriptor, prefix)
        found = {}
        for parent, names, others in os.walk(f"{target}/{prefix}"):
            for name in others:
                with open(f"{parent}/{name}") as file:
                    found[os.path.relpath(f"{parent}/{name}", f"{target}/{prefix}")] = file.read()
            if not names and not others:
                found[os.path.relpath(parent, f"{target}/{prefix}") + "/"] = ""
        return found
