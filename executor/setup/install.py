"""Bringing a host to what is wanted: what is missing or different, and the changes that mend it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor.errors import OperatorError
from executor.setup.files import cannot, digest, read_bytes, write
from executor.setup.manifest import Manifest, save_manifest

if TYPE_CHECKING:
    from executor.setup.account import RunnerAccount
    from executor.setup.places import Places
    from executor.setup.wanted import WantedFile, WantedFolder


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """A file to write. `old` is what it holds now, None where it is not there."""

    file: WantedFile
    old: str | None


@dataclass(frozen=True, kw_only=True)
class FolderChange:
    """A folder to make (`is_new`), or to give back its mode and owner. `owner` is None for one of root's."""

    path: str
    mode: int
    owner: tuple[int, int] | None
    is_new: bool


Change = FileChange | FolderChange


def find_changes(
    places: Places, files: list[WantedFile], folders: list[WantedFolder], account: RunnerAccount, manifest: Manifest
) -> list[Change]:
    """What `apply` has to do, in its order; empty where all is as wanted.

    OperatorError where something stands in the way that was not installed by us.
    """
    coming: set[str] = set()
    changes = _parents(places.manifest, coming)
    for folder in folders:
        changes += _parents(folder.path, coming)
        changes += _folder(folder, account, coming, manifest)
    for file in files:
        changes += _parents(file.path, coming)
        changes += _file(file, manifest)
    return changes


def apply(changes: list[Change], places: Places, manifest: Manifest) -> None:
    """Make the changes, and note each one: what is interrupted half way can be uninstalled too."""
    for change in changes:
        if isinstance(change, FolderChange):
            _make(change, manifest)
        else:
            content = change.file.content.encode()
            write(change.file.path, content, change.file.mode, None)
            manifest.files[change.file.path] = digest(content)
        if os.path.isdir(os.path.dirname(places.manifest)):
            save_manifest(places.manifest, manifest)


def _folder(wanted: WantedFolder, account: RunnerAccount, coming: set[str], manifest: Manifest) -> list[Change]:
    """An operator's own folder is left as it is; `executor doctor` says what is wrong with it."""
    owner = (account.uid, account.gid)
    if not os.path.lexists(wanted.path):
        coming.add(wanted.path)
        return [FolderChange(path=wanted.path, mode=wanted.mode, owner=owner, is_new=True)]
    if not os.path.isdir(wanted.path):
        raise OperatorError(f"{wanted.path} is there, and no folder.", fix="Move it away, or name another state_dir.")
    status = os.stat(wanted.path)
    is_right = (status.st_uid, status.st_gid) == owner and stat.S_IMODE(status.st_mode) == wanted.mode
    if is_right or wanted.path not in manifest.folders:
        return []
    return [FolderChange(path=wanted.path, mode=wanted.mode, owner=owner, is_new=False)]


def _file(wanted: WantedFile, manifest: Manifest) -> list[Change]:
    if os.path.islink(wanted.path) and not wanted.is_operators:
        raise OperatorError(f"{wanted.path} is a link to {os.readlink(wanted.path)}.", fix=f"rm {wanted.path}")
    content = read_bytes(wanted.path)
    if content is None:
        return [FileChange(file=wanted, old=None)]
    if wanted.is_operators:
        return []
    if manifest.files.get(wanted.path) != digest(content) and content != wanted.content.encode():
        raise OperatorError(
            f"{wanted.path} is there, and was not written by `executor install` as it is now.",
            fix=f"Move it away: mv {wanted.path} {wanted.path}.old",
        )
    is_right = content == wanted.content.encode() and stat.S_IMODE(os.stat(wanted.path).st_mode) == wanted.mode
    return [] if is_right and wanted.path in manifest.files else [FileChange(file=wanted, old=content.decode())]


def _parents(path: str, coming: set[str]) -> list[Change]:
    """Folders of root's that lead there. The runner's keeps others out, as its own package makes it."""
    missing = [parent for parent in _missing_parents(path) if parent not in coming]
    coming.update(missing)
    modes = {parent: 0o700 if parent.endswith("/etc/gitlab-runner") else 0o755 for parent in missing}
    return [FolderChange(path=parent, mode=modes[parent], owner=None, is_new=True) for parent in missing]


def _missing_parents(path: str) -> list[str]:
    missing: list[str] = []
    parent = os.path.dirname(path)
    while not os.path.lexists(parent):
        missing.insert(0, parent)
        parent = os.path.dirname(parent)
    return missing


def _make(change: FolderChange, manifest: Manifest) -> None:
    try:
        if change.is_new:
            os.mkdir(change.path, 0o700)
            manifest.folders.append(change.path)
        if change.owner and change.owner != (os.geteuid(), os.getegid()):
            os.chown(change.path, *change.owner, follow_symlinks=False)
        os.chmod(change.path, change.mode)
    except OSError as error:
        raise cannot("make", change.path, error) from None
