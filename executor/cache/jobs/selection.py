"""Which files of the project a cache is made of."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field

from executor.cache.jobs import patterns
from executor.cache.jobs.overlaps import overlapping
from executor.cache.store import trees
from executor.cache.store.failures import UnsafePath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass
class Selection:
    """What of a project is cached. `roots` are paths below the project, none below another; `found` the entries of
    `paths` that matched; `warnings` lines for the job log.
    """

    roots: set[str] = field(default_factory=set)
    found: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def is_apart_from(self, other: Selection) -> bool:
        """Whether no file belongs to both."""
        return not overlapping(self.roots, other.roots)

    def covers(self, path: str) -> bool:
        """Whether a path is one of the roots, or below one."""
        return path in self.roots or any(path.startswith(f"{root}/") for root in self.roots)


class Selector:
    """Selects in the open folder `project`, which jobs see as `project_dir`."""

    def __init__(self, project: int, project_dir: str) -> None:
        self._project = project
        self._project_dir = project_dir

    def select(self, paths: Iterable[str], untracked: Iterable[str] | None = None) -> Selection:
        """The selection of `paths` and of the paths that git does not track, where those are wanted."""
        selection = Selection()
        for path in paths:
            self._add(selection, path)
        if untracked is not None:
            self._add_untracked(selection, untracked)
        selection.roots = patterns.topmost(self._below_the_top(selection.roots))
        return selection

    def _add(self, selection: Selection, path: str) -> None:
        if not path:
            selection.warnings.append("No matching files. Path is empty.")
            return
        relative = relative_path(path, self._project_dir)
        if relative is None:
            selection.warnings.append(
                f"processPath: artifact path is not a subpath of project directory: {path}",
            )
            return
        try:
            roots = self._matching(relative)
        except patterns.BadPattern:
            selection.warnings.append(f"{path}: syntax error in pattern")
            return
        if roots:
            selection.roots |= roots
            selection.found.append(path)
        else:
            selection.warnings.append(
                f"{path}: no matching files. Ensure that the artifact path is relative to the working directory "
                f"({self._project_dir})",
            )

    def _matching(self, relative: str) -> set[str]:
        if relative == "":
            return {""}
        if patterns.is_pattern(relative):
            return patterns.matching(self._project, relative)
        return {relative} if trees.look(self._project, relative) else set()

    def _add_untracked(self, selection: Selection, untracked: Iterable[str]) -> None:
        """`untracked` comes from the job's container: what does not lie in the project is left out."""
        roots = {path.rstrip("/") for path in untracked if path.rstrip("/")}
        inside = {path for path in roots if _is_plain(path) and trees.look(self._project, path)}
        if inside:
            selection.roots |= inside
            selection.found.append("untracked")
        else:
            selection.warnings.append("untracked: no files")

    def _below_the_top(self, roots: set[str]) -> set[str]:
        """The project folder itself is never part of a cache, but all that is in it may be."""
        if "" not in roots:
            return roots
        return {entry.name for entry in trees.listed(self._project)}


def relative_path(path: str, project_dir: str) -> str | None:
    """A path of `cache:paths` below the project, "" for the project itself; None for one that leaves it."""
    absolute = posixpath.normpath(posixpath.join(project_dir, path))
    if absolute == project_dir:
        return ""
    inside = absolute.startswith(f"{project_dir}/") and "\0" not in path
    return absolute[len(project_dir) + 1 :] if inside else None


def _is_plain(path: str) -> bool:
    try:
        return bool(trees.parts_of(path)) and posixpath.normpath(path) == path
    except UnsafePath:
        return False
