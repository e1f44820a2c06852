"""Saving a job's caches: what the job changed is renamed out of its folder and becomes a layer, below it again at once.

What cannot be renamed is copied: caches that overlap, folders that the job renamed, a folder that is still in use.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor.cache.jobs import marks, moving, words
from executor.cache.jobs.overlaps import overlapping
from executor.cache.jobs.selection import Selection, Selector
from executor.cache.store import trees
from executor.cache.store.failures import CacheFailure, MustCopy, told
from executor.cache.store.overlay import StillInUse
from executor.cache.store.store import can_be_base
from executor.terminal import log, log_notice, log_step, log_warning

if TYPE_CHECKING:
    from executor.cache.jobs.containers import Containers
    from executor.cache.jobs.model import Request
    from executor.cache.jobs.notes import JobCaches, State
    from executor.cache.jobs.view import View
    from executor.cache.store.model import Snapshot
    from executor.cache.store.store import Store

# A pointer lists the roots; more of them are named by the folders that they are in.
MOST_ROOTS = 1000


@dataclass
class Part:
    """One cache that is to be saved. `before` is what was restored, `base` that where it is mounted: what is saved is a
    delta on it. `failed` is why it could not be saved.
    """

    index: int
    request: Request
    selection: Selection
    before: Snapshot | None
    base: Snapshot | None
    saved: Snapshot | None = None
    failed: str = ""
    seconds: float = 0.0

    @property
    def roots(self) -> tuple[str, ...]:
        """The cached paths, few enough for a pointer."""
        roots = self.selection.roots
        return tuple(sorted(roots if len(roots) <= MOST_ROOTS else {root.partition("/")[0] for root in roots}))

    @property
    def name(self) -> str:
        """Its key, for the job log."""
        return words.shown(self.request.candidates[0].name)


class Save:
    """The archive_cache stage of one job. Whatever goes wrong is a line of its log, never its end."""

    def __init__(self, caches: JobCaches, state: State, store: Store, view: View, containers: Containers) -> None:
        self._caches = caches
        self._state = state
        self._store = store
        self._view = view
        self._containers = containers

    def run(self, *, succeeded: bool) -> None:
        """Save the caches that are due at such an end of the job; the state then tells what was saved."""
        parts = self._selected(succeeded)
        moved = [part for part in parts if self._can_move(part, parts)]
        self._copy([part for part in parts if part not in moved])
        self._copy(self._move(moved) if moved else [])
        for part in parts:
            self._tell(part)

    def _selected(self, succeeded: bool) -> list[Part]:
        parts = []
        for index, request in enumerate(self._caches.requests):
            if not request.is_due(succeeded=succeeded):
                continue
            if not request.candidates:
                log_step("Skipping cache archiving due to empty cache key")
            elif not request.saves:
                log_step(f"Not uploading cache {words.shown(request.candidates[0].name)} due to policy")
            elif part := self._part(index, request):
                parts.append(part)
        return parts

    def _part(self, index: int, request: Request) -> Part | None:
        """The cache with its files; None where there are none."""
        log_step(f"Creating cache {words.shown(request.candidates[0].name)}...")
        try:
            selection = self._select(request)
        except (CacheFailure, OSError) as failure:
            log_warning(_reason(failure))
            log_notice("Failed to create cache")
            return None
        for warning in selection.warnings:
            log_notice(f"WARNING: {words.shown(warning)}")
        if not selection.roots:
            log("No files to cache")
            return None
        before = self._state.restored[index]
        return Part(index, request, selection, before, base=before if self._state.mounted[index] else None)

    def _select(self, request: Request) -> Selection:
        untracked = None
        if request.untracked:
            untracked = self._containers.untracked(self._caches.project_dir) or []
        with trees.folder_at(self._caches.builds) as builds, trees.folder_below(builds, self._caches.prefix) as project:
            return Selector(project, self._caches.project_dir).select(request.paths, untracked)

    def _can_move(self, part: Part, parts: list[Part]) -> bool:
        """Whether the cache can be taken out of the job's folder and laid below it: its files are nobody else's, and
        what it no longer has of its base the job does not see any more.
        """
        if not self._caches.mounts or len(part.selection.roots) > MOST_ROOTS:
            return False
        others = [other.selection.roots for other in parts if other is not part]
        mounted = enumerate(zip(self._state.restored, self._state.mounted, strict=True))
        others += [{*found.roots} for at, (found, is_mounted) in mounted if found and is_mounted and at != part.index]
        if any(overlapping(part.selection.roots, roots) for roots in others):
            return False
        base = part.base
        return not base or (can_be_base(base, self._caches.prefix, part.roots) and not self._shows_more(part, base))

    def _shows_more(self, part: Part, base: Snapshot) -> bool:
        with trees.folder_at(self._caches.builds) as builds:
            dropped = (root for root in base.roots if root not in part.selection.roots)
            return any(trees.look(builds, trees.join(base.prefix, root)) for root in dropped)

    def _move(self, parts: list[Part]) -> list[Part]:
        """Save by renaming; the parts that have to be copied after all. The job sees the same before and after."""
        began = time.monotonic()
        try:
            if self._view.is_mounted:
                self._view.unmount()
        except StillInUse:
            log_warning("Caches are copied, not moved: a process still has files of the builds folder open.")
            return parts
        except CacheFailure as failure:
            log_warning(_reason(failure))
            return parts
        mounted = self._state.layers()
        try:
            left = self._taken(parts, mounted)
        finally:
            self._put_together()
        for part in parts:
            part.seconds += time.monotonic() - began
        return left

    def _taken(self, parts: list[Part], mounted: list[str]) -> list[Part]:
        with trees.folder_at(self._caches.builds) as upper:
            if mounted and self._is_entangled(upper, parts):
                return parts
            return [part for part in parts if not self._is_taken(part, upper, mounted)]

    def _is_entangled(self, upper: int, parts: list[Part]) -> bool:
        """Whether the job renamed a folder of the layers to another place: a new layer would hide its content."""
        roots = {root for found in self._state.snapshots() for root in found.roots}
        roots |= {root for part in parts for root in part.selection.roots}
        return marks.has_renamed(upper, {trees.join(self._caches.prefix, root) for root in roots})

    def _is_taken(self, part: Part, upper: int, mounted: list[str]) -> bool:
        """Move one cache and publish it; whether that is settled. What fails is put back as it was."""
        move = moving.Move(self._store, self._caches, upper)
        try:
            touched = move.take(part.roots)
        except MustCopy:
            return False
        except (CacheFailure, OSError) as failure:
            part.failed = _reason(failure)
            return True
        place = part.request.candidates[0].place
        if not touched and part.base and (part.base.place, part.base.roots) == (place, part.roots):
            move.forget()
            part.saved = part.base
            return True
        try:
            part.saved = move.publish(place, part.base, part.roots, mounted)
        except (CacheFailure, OSError) as failure:
            part.failed = _reason(failure)
            move.put_back()
            return True
        self._state.restored[part.index], self._state.mounted[part.index] = part.saved, True
        return True

    def _put_together(self) -> None:
        """Mount what there is now. If that fails the job's folder gets everything as plain files."""
        snapshots = self._state.snapshots()
        if not snapshots:
            return
        try:
            self._view.mount(self._state.layers(), {root for found in snapshots for root in found.roots})
        except (CacheFailure, OSError) as failure:
            log_warning(f"Caches are copied back: {_reason(failure)}")
            self._state.mounted = [False] * len(self._state.mounted)
            with trees.folder_at(self._caches.builds) as upper:
                for snapshot in snapshots:
                    moving.copy_back(self._store, self._caches, upper, snapshot)

    def _copy(self, parts: list[Part]) -> None:
        for part in parts:
            began = time.monotonic()
            try:
                part.saved = self._current(part) or self._copied(part)
            except (CacheFailure, OSError) as failure:
                part.failed = _reason(failure)
            part.seconds += time.monotonic() - began

    def _current(self, part: Part) -> Snapshot | None:
        """What was restored by copying, where nothing has changed since it was saved."""
        restored = part.before
        if not restored or part.base or restored.place != part.request.candidates[0].place:
            return None
        if restored.roots != part.roots or restored.prefix != self._caches.prefix:
            return None
        with trees.folder_at(self._caches.builds) as builds:
            paths = [trees.join(restored.prefix, root) for root in restored.roots]
            return None if moving.any_newer(builds, paths, restored.saved) else restored

    def _copied(self, part: Part) -> Snapshot:
        with told("The cache cannot be saved."), trees.folder_at(self._caches.builds) as builds:
            copy = moving.Move(self._store, self._caches, builds)
            try:
                copy.copy(part.selection.roots)
                return copy.publish(part.request.candidates[0].place, None, part.roots, ())
            except BaseException:
                with suppress(CacheFailure):
                    copy.forget()
                raise

    def _tell(self, part: Part) -> None:
        saved = part.saved
        if part.failed or not saved:
            log_warning(part.failed)
            log_notice("Failed to create cache")
            return
        found = ", ".join(words.shown(path) for path in part.selection.found)
        log(f"{words.shown(found)}: found {words.amount(saved.files, 'matching file')}")
        if part.before and (part.before.place, part.before.layers) == (saved.place, saved.layers):
            log("Archive is up to date!")
        else:
            self._state.saved.append(saved.place)
            log(f"saved {part.name} in {words.took(part.seconds)}: {self._cost(saved)}")
        log_step("Created cache")

    def _cost(self, saved: Snapshot) -> str:
        top = self._store.layer(saved.layers[0])
        whole = f"{words.size(saved.bytes)}, {words.amount(saved.files, 'file')}"
        if len(saved.layers) == 1 or not top:
            return whole
        own = f"{words.size(top.bytes)}, {words.amount(top.files, 'file')} new"
        return f"{own} of {whole}, {words.amount(len(saved.layers), 'layer')}"


def _reason(failure: CacheFailure | OSError) -> str:
    return (
        failure.one_line() if isinstance(failure, CacheFailure) else f"The cache cannot be saved: {failure.strerror}."
    )
