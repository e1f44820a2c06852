"""Questions to git about the user's repository, which is never changed."""

from __future__ import annotations

import os
import subprocess

from executor.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


class GitFailed(UsageError):
    """A git command failed. Its own words are the cause."""


def git(root: Path, *arguments: str, umask: int = -1) -> str:
    """The output of a git command in `root`. No lock is taken and no hook of the user's runs."""
    command = ["git", "-C", str(root), "-c", "core.hooksPath=/dev/null", *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(command, capture_output=True, env=environment, umask=umask, check=False)
    except FileNotFoundError:
        raise UsageError("git is not installed.", fix="Install git: jobs get their sources from it.") from None
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise GitFailed(f"`git {arguments[0]}` failed in {root}.", cause=words[-1] if words else "")
    return done.stdout.decode(errors="surrogateescape")


def ask(root: Path, *arguments: str) -> str:
    """One line that git knows, or "" where it knows nothing."""
    try:
        return git(root, *arguments).strip()
    except GitFailed:
        return ""
