"""Removing what a job that was cut off leaves in a kept folder: `<project>.tmp`, its file variables and its token."""

from __future__ import annotations

import os

from executor.sandbox.removal import remove_tree

SUFFIX = ".tmp"
# GitLab's own limit of a project's path, with some to spare for GIT_CLONE_PATH.
DEEPEST = 24


def wipe_secrets(work: str, project_path: str) -> None:
    """Remove every `.tmp` beside or above a working copy in `work`, the mounted part of a kept folder.

    All in `work` is a job's own making: links are not followed, a `.git` on the way to the project hides nothing, and a
    link on that way, which would lead the next job's secrets elsewhere, goes too. `project_path` is GitLab's, "" where
    it is not known.
    """
    way = {f"{work}/{part}" for part in _beginnings(project_path)}
    waiting = [(work, 0)]
    while waiting:
        folder, depth = waiting.pop()
        below = _entries(folder)
        if f"{folder}/.git" in below and folder != work and folder not in way:
            continue
        for path, is_folder in below.items():
            if path.endswith(SUFFIX) or (path in way and not is_folder):
                remove_tree(path)
            elif is_folder and depth < DEEPEST:
                waiting.append((path, depth + 1))


def _beginnings(project_path: str) -> list[str]:
    """`a`, `a/b`, … of `a/b/project`: the folders above the project."""
    parts = project_path.split("/")[:DEEPEST]
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _entries(folder: str) -> dict[str, bool]:
    """The paths in `folder`, and which are folders and not links. None where it cannot be read or lies too deep."""
    try:
        with os.scandir(folder) as entries:
            return {entry.path: entry.is_dir(follow_symlinks=False) for entry in entries}
    except OSError:
        return {}
