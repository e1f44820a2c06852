"""The repository as jobs get it: a clone at HEAD with the uncommitted changes laid over it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from executor.errors import SystemFailure
from executor.pipeline.local.git import ask, git

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.pipeline.local.repository import Repository

# As the docker executor makes them: whatever user the image has can change the files.
OPEN_UMASK = 0
# The mode of a submodule in the index.
GITLINK = "160000 "


def deliver_sources(repository: Repository, target: Path, *, committed_only: bool) -> None:
    """Make `target` a clone with HEAD checked out, then take over what is not committed, unless `committed_only`.

    History, branches and tags are all there. Ignored files are not.
    """
    _clone(repository, target)
    if not committed_only:
        _overlay(repository, target)


def deliver_submodules(repository: Repository, target: Path) -> bool:
    """Copy the working copies of all checked-out submodules to their places under `target`; whether there are any.

    Jobs get them only with GIT_SUBMODULE_STRATEGY, so they are no part of the sources.
    """
    target.mkdir()
    previous = os.umask(OPEN_UMASK)
    try:
        return _copy_submodules(repository.root, target)
    finally:
        os.umask(previous)


def describe_sources(repository: Repository, *, committed_only: bool) -> str:
    """What is checked out, in one line."""
    changes = 0 if committed_only else len(repository.changed)
    extra = f" + {count(changes, 'uncommitted file')}" if changes else ""
    return f"Checking out {repository.sha[:8]} as detached HEAD (ref is {repository.ref}){extra}..."


def count(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _clone(repository: Repository, target: Path) -> None:
    """Objects become hard links where that is possible, unless they are borrowed from a place that jobs cannot see."""
    root = repository.root
    borrowed = root / ask(root, "rev-parse", "--git-path", "objects/info/alternates")
    options = ["--quiet", "--no-checkout", "--template=", *(["--no-local"] if borrowed.exists() else [])]
    git(root, "clone", *options, str(root), str(target), umask=OPEN_UMASK)
    git(target, "remote", "set-url", "origin", f"{repository.url}.git")
    git(target, "checkout", "--force", "--quiet", "--detach", repository.sha, umask=OPEN_UMASK)


def _overlay(repository: Repository, target: Path) -> None:
    previous = os.umask(OPEN_UMASK)
    try:
        for path in repository.changed:
            _take_over(repository.root / path, target, Path(path))
    except OSError as error:
        raise SystemFailure(f"{error.filename} cannot be copied for the jobs: {error.strerror}.") from None
    finally:
        os.umask(previous)


def _copy_submodules(root: Path, target: Path) -> bool:
    entries = git(root, "ls-files", "--stage", "-z").split("\0")
    paths = [entry.partition("\t")[2] for entry in entries if entry.startswith(GITLINK)]
    checked_out = [path for path in paths if (root / path / ".git").exists()]
    for path in checked_out:
        names = git(root / path, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
        for name in filter(None, names):
            if not (root / path / name / ".git").exists():
                _take_over(root / path / name, target, Path(path, name))
        _copy_submodules(root / path, target / path)
    return bool(checked_out)


def _take_over(source: Path, target: Path, path: Path) -> None:
    """Make the copy what `source` is: a file with its permissions, a link, a folder (a nested repository), or gone."""
    copy = target / path
    if source.is_symlink():
        _make_room(target, path)
        copy.symlink_to(os.readlink(source))
    elif source.is_dir():
        _make_room(target, path)
        shutil.copytree(source, copy, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    elif source.is_file():
        _make_room(target, path)
        shutil.copyfile(source, copy)
        copy.chmod(0o777 if os.access(source, os.X_OK) else 0o666)
    elif not _below_a_file(target, path):
        _remove(copy)


def _make_room(target: Path, path: Path) -> None:
    """Whatever was at `path` goes, and files or links that have become folders."""
    for parent in reversed(path.parents[:-1]):
        if _below_a_file(target, parent / "x"):
            (target / parent).unlink()
    (target / path).parent.mkdir(parents=True, exist_ok=True)
    _remove(target / path)


def _below_a_file(target: Path, path: Path) -> bool:
    """Whether a folder of `path` is no folder in the copy: nothing may be done through a link."""
    parents = [target / parent for parent in path.parents[:-1]]
    return any(parent.is_symlink() or parent.is_file() for parent in parents)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
