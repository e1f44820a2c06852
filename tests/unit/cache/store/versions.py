"""Caches that say themselves whether they are whole: each version holds a list of its files and their digests."""

from __future__ import annotations

import hashlib
import json
import os
import random
import stat
import tempfile
from typing import TYPE_CHECKING

from executor.cache.store.model import Maker, Place, Snapshot

if TYPE_CHECKING:
    from executor.cache.store.store import Store

PREFIX, ROOT, LIST = "group/project", "node_modules", "list.json"
MAKER = Maker(job_id=1, job_name="build", project=PREFIX)


def place(key: str = "default") -> Place:
    """A place of project 7."""
    return Place(project_id=7, trust="p", key=key)


def save(store: Store, at: Place, lease: str, dice: random.Random) -> Snapshot:
    """Save a new version: a delta on what is there, or a whole tree."""
    base = store.find([at], lease)
    staged = store.stage(lease)
    folder = f"{staged}/{PREFIX}/{ROOT}"
    files = _listed(f"{store.layer_path(base.layers[0])}/{PREFIX}/{ROOT}/{LIST}") if base else {}
    if base and dice.random() < 0.8:
        _write_delta(folder, files, dice)
    else:
        base = None
        _write_whole(folder, files := {}, dice)
    _write_list(folder, files)
    return store.publish(at, staged, lease=lease, base=base, prefix=PREFIX, roots=[ROOT], maker=MAKER)


def change_tree(folder: str, dice: random.Random) -> None:
    """Make another version of the tree in a job's folder, in place; a whole one where there is none."""
    if not os.path.exists(f"{folder}/{LIST}"):
        _write_whole(folder, files := {}, dice)
    else:
        files = _listed(f"{folder}/{LIST}")
        for path in dice.sample(sorted(files), min(2, len(files))):
            os.unlink(f"{folder}/{path}")
            del files[path]
        for path in (
            *dice.sample(sorted(files), min(3, len(files))),
            f"d{dice.randrange(6)}/g{dice.randrange(1 << 30)}",
        ):
            _write(folder, path, files, dice)
    _write_list(folder, files)


def check(store: Store, snapshot: Snapshot) -> None:
    """AssertionError if what the snapshot shows is not exactly one version; the caller has pinned it."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(store.folder)) as target:
        descriptor = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
        try:
            size = store.materialise(snapshot, descriptor, PREFIX)
        finally:
            os.close(descriptor)
        check_tree(f"{target}/{PREFIX}/{ROOT}")
    assert size.files == snapshot.files


def check_tree(folder: str) -> None:
    """AssertionError if the tree is not exactly one version."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.relpath(f"{parent}/{name}", folder)
            assert stat.S_ISREG(os.lstat(f"{parent}/{name}").st_mode)
            with open(f"{parent}/{name}", "rb") as file:
                found[path] = hashlib.sha256(file.read()).hexdigest()
    found.pop(LIST)
    assert found == _listed(f"{folder}/{LIST}")


def check_no_leaks(store: Store) -> None:
    """AssertionError if the store holds anything that belongs to no cache; for use after a garbage collection."""
    needed = {layer for kept in store.snapshots() for layer in kept.snapshot.layers}
    assert set(os.listdir(f"{store.folder}/l")) == needed
    assert {name.removesuffix(".json") for name in os.listdir(f"{store.folder}/meta")} == needed
    assert not os.listdir(f"{store.folder}/tmp")
    assert not os.listdir(f"{store.folder}/leases")


def _write_whole(folder: str, files: dict[str, str], dice: random.Random) -> None:
    for number in range(20):
        _write(folder, f"d{number % 4}/f{number}", files, dice)


def _write_delta(folder: str, files: dict[str, str], dice: random.Random) -> None:
    for path in dice.sample(sorted(files), min(3, len(files))):
        _write(folder, path, files, dice)
    for path in dice.sample(sorted(files), min(2, len(files))):
        if not os.path.lexists(f"{folder}/{path}"):
            os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
            os.mknod(f"{folder}/{path}", stat.S_IFCHR, 0)
            del files[path]
    for _ in range(2):
        _write(folder, f"d{dice.randrange(6)}/g{dice.randrange(1 << 30)}", files, dice)


def _write(folder: str, path: str, files: dict[str, str], dice: random.Random) -> None:
    os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
    content = dice.randbytes(dice.randrange(20_000))
    with open(f"{folder}/{path}", "wb") as file:
        file.write(content)
    files[path] = hashlib.sha256(content).hexdigest()


def _write_list(folder: str, files: dict[str, str]) -> None:
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/{LIST}", "w") as file:
        json.dump(files, file)


def _listed(path: str) -> dict[str, str]:
    with open(path) as file:
        files: dict[str, str] = json.load(file)
    return files
