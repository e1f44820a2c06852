"""The files of the repository, as `rules:exists` and `include` see them."""

from __future__ import annotations

import os
import subprocess
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class RepositoryFiles:
    """Lists files once, and only when a rule asks: a big repository takes its time."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Paths relative to the root, sorted: tracked and new files in a git repository, otherwise all files."""
        listed = _git_files(self.root)
        return tuple(sorted(_walk(self.root) if listed is None else listed))


def _git_files(root: Path) -> list[str] | None:
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return None
    if done.returncode != 0:
        return None
    names = {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}
    return [name for name in names if os.path.lexists(root / name)]


def _walk(root: Path) -> list[str]:
    found: list[str] = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != ".git"]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return found
