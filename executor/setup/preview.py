"""Changes as lines for a person to read before they are made."""

from __future__ import annotations

import pwd
from difflib import unified_diff

from executor.setup.install import Change, FileChange, FolderChange


def preview(changes: list[Change]) -> list[str]:
    """A unified diff a file, a line a folder."""
    return [line for change in changes for line in _lines(change)]


def summary(change: Change) -> str:
    """What was done, in one line."""
    if isinstance(change, FolderChange):
        return f"{'made' if change.is_new else 'mended'} {_described(change)}"
    return f"wrote {change.file.path} ({change.file.mode:04o})"


def _lines(change: Change) -> list[str]:
    if isinstance(change, FolderChange):
        return [f"{'+' if change.is_new else '~'} {_described(change)}"]
    return _diff(change)


def _diff(change: FileChange) -> list[str]:
    path = change.file.path
    if change.old == change.file.content:
        return [f"~ file {path} ({change.file.mode:04o})"]
    before = "/dev/null" if change.old is None else path
    old, new = (change.old or "").splitlines(), change.file.content.splitlines()
    return list(unified_diff(old, new, before, path, lineterm=""))


def _described(change: FolderChange) -> str:
    owner = f", {_name(change.owner[0])}" if change.owner else ""
    return f"folder {change.path} ({change.mode:04o}{owner})"


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
