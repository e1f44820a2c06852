"""Taking back what was installed, and nothing else."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from executor.errors import OperatorError
from executor.setup.files import cannot, digest, read_bytes

if TYPE_CHECKING:
    from executor.setup.manifest import Manifest
    from executor.setup.places import Places


@dataclass
class Removal:
    """What is to go, in its order, and what stays with the reason."""

    files: list[str] = field(default_factory=list)
    trees: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)


def find_removal(places: Places, manifest: Manifest, *, purge: bool) -> Removal:
    """What `remove` would do. `purge` takes the state folders with all that jobs left in them.

    OperatorError where jobs run, or something is mounted below a folder that is to be purged.
    """
    removal = Removal()
    for path, noted in manifest.files.items():
        content = read_bytes(path)
        if content is not None and digest(content) != noted:
            removal.kept[path] = "changed since it was written"
        elif content is not None:
            removal.files.append(path)
    state = [path for path in manifest.folders if _is_state(places, path)]
    if purge:
        removal.trees = [path for path in state if os.path.dirname(path) not in state and os.path.isdir(path)]
        _require_idle(removal.trees)
    _choose_folders(removal, [path for path in manifest.folders if not (purge and path in state)], places)
    return removal


def remove(removal: Removal, places: Places) -> None:
    """Do it; the manifest goes last but for its folder. OperatorError where something cannot be removed."""
    for path in [*removal.files, places.manifest]:
        _unlink(path)
    for path in removal.trees:
        _remove_tree(path)
    for path in removal.folders:
        _remove_folder(path)


def _is_state(places: Places, path: str) -> bool:
    """Whether only the driver's own things are in it: all that was made but the ways to the files."""
    files = (places.start_script, places.settings, places.manifest)
    leads = {parent for file in (*files, places.state_dir) for parent in _parents(file)}
    return path not in leads


def _choose_folders(removal: Removal, made: list[str], places: Places) -> None:
    """Folders that will be empty, the innermost first."""
    going = {*removal.files, *removal.trees, places.manifest}
    for path in reversed(made):
        if not os.path.isdir(path):
            continue
        inside = [entry for entry in _entries(path) if entry not in going]
        if inside:
            removal.kept[path] = f"holds {os.path.basename(inside[0])}{' and more' if len(inside) > 1 else ''}"
        else:
            removal.folders.append(path)
            going.add(path)


def _require_idle(trees: list[str]) -> None:
    for tree in trees:
        jobs = os.path.join(tree, "jobs")
        if os.path.isdir(jobs) and os.listdir(jobs):
            raise OperatorError(f"there are jobs in {jobs}.", fix="Wait for their end, then call: executor gc --yes")
        mounted = [target for target in _mounts() if f"{target}/".startswith(f"{os.path.realpath(tree)}/")]
        if mounted:
            raise OperatorError(f"{mounted[0]} is mounted.", fix=f"Unmount it first: umount {mounted[0]}")


def _mounts() -> list[str]:
    with open("/proc/self/mountinfo", errors="surrogateescape") as file:
        return [line.split(" ")[4].replace("\\040", " ") for line in file]


def _parents(path: str) -> list[str]:
    parents = []
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        parents.append(path)
    return parents


def _entries(folder: str) -> list[str]:
    try:
        return sorted(os.path.join(folder, name) for name in os.listdir(folder))
    except OSError as error:
        raise cannot("read", folder, error) from None


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise cannot("remove", path, error) from None


def _remove_tree(path: str) -> None:
    """`rmtree` follows no link, not even one that is put there meanwhile."""
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise cannot("remove", path, error) from None


def _remove_folder(path: str) -> None:
    """One that was filled meanwhile stays."""
    try:
        os.rmdir(path)
    except OSError as error:
        if not os.path.isdir(path) or os.listdir(path):
            return
        raise cannot("remove", path, error) from None
