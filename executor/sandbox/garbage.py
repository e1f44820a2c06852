"""What `executor gc` finds and removes: all that a crash may leave, and what nobody has used for long.

Of Docker's things only those count that carry this state folder's name; of folders only those that no living job
holds. Named volumes, also those that keep a project's caches, may belong to other runners: they are never looked at.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from executor.errors import ExecutorError
from executor.plan.naming import JOB_LABEL
from executor.sandbox.folders import locked, owner_of
from executor.sandbox.janitor import BIRTH_SECONDS, dead_jobs, end_job, stateless_jobs
from executor.sandbox.keeping import seconds_left
from executor.sandbox.mounted import take_caches_apart
from executor.sandbox.removal import remove_tree
from executor.sandbox.state import load_of_any_version
from executor.sandbox.teardown import engine_in, remove_job
from executor.settings.folders import builds_dir, cache_dir, state_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from executor.engine.client import Engine
    from executor.settings.model import Settings

    Kind = Literal["job", "lost job", "throw-away folder", "sources", "cache"]

ASIDE = "removed-"
KINDS = ("containers", "networks", "volumes")


@dataclass(frozen=True, kw_only=True)
class Garbage:
    """One thing to remove: a job with all that is left of it, or a folder. `things` are names of Docker's objects."""

    kind: Kind
    path: str
    why: str
    things: tuple[str, ...] = ()
    engine: Engine = field(repr=False, compare=False)

    def remove(self, unused_since: float) -> bool:
        """Remove it, if it still is garbage; whether it is gone. Folders used after `unused_since` stay."""
        if self.kind in ("sources", "cache"):
            return _set_aside(self, unused_since)
        try:
            if self.kind == "job":
                end_job(self.path)
            elif self.kind == "lost job":
                remove_job(self.engine, self.path, {"prepared": True})
            else:
                take_caches_apart(self.path, kept=False)
                remove_tree(self.path)
            return not os.path.lexists(self.path) and not _things(self.engine, self.path)
        except (ExecutorError, OSError):
            return False


def find_garbage(
    settings: Settings, engine: Engine, older_than: float | None = None, *, kept: bool = False
) -> list[Garbage]:
    """All of this state folder's garbage; with `older_than` (seconds) also folders that no job has used since.

    With `kept` jobs that are kept for a look count as garbage too. `engine` is asked for things of jobs whose state is
    lost. SystemFailure where it does not answer.
    """
    state = state_dir(settings)
    found = [*_dead(state, kept=kept), *_lost(state, engine), *_throw_away(settings, engine)]
    if older_than is not None:
        found += [*_unused_sources(settings, engine, older_than), *_unused_caches(settings, engine, older_than)]
    return found


def _dead(state: str, *, kept: bool) -> Iterator[Garbage]:
    dead = dead_jobs(state)
    for folder in sorted({*dead, *(_kept(state) if kept else ())}):
        engine = engine_in(_facts(folder))
        yield Garbage(kind="job", path=folder, why=_why(folder), things=_things(engine, folder), engine=engine)


def _why(folder: str) -> str:
    if os.path.exists(f"{folder}/ended"):
        return "it has ended, its removal was cut off"
    if (left := seconds_left(folder)) is not None:
        return "it is kept for a look" if left > 0 else "it was kept for a look, that time is over"
    return "its runner has ended or gone on without it"


def _lost(state: str, engine: Engine) -> Iterator[Garbage]:
    for folder in sorted(stateless_jobs(state, engine)):
        yield Garbage(
            kind="lost job", path=folder, why="its state is lost", things=_things(engine, folder), engine=engine
        )


def _throw_away(settings: Settings, engine: Engine) -> Iterator[Garbage]:
    """Folders for the sources of one job of this state folder that is not here any more."""
    for folder in _folders(builds_dir(settings), depth=3):
        owner = owner_of(f"{folder}/owner")
        ours = os.path.dirname(owner) == f"{state_dir(settings)}/jobs" and not os.path.isdir(owner)
        if ours and os.path.basename(folder).startswith("job-") and _age(folder) > BIRTH_SECONDS:
            yield Garbage(kind="throw-away folder", path=folder, why="its job is gone", engine=engine)
    for folder in _folders(builds_dir(settings), depth=4):
        if os.path.basename(folder).startswith(ASIDE):
            yield Garbage(kind="throw-away folder", path=folder, why="its removal was cut off", engine=engine)


def _unused_sources(settings: Settings, engine: Engine, older_than: float) -> Iterator[Garbage]:
    """Kept sources: claiming and giving back a folder both touch it."""
    for folder in _folders(builds_dir(settings), depth=3):
        if not os.path.basename(folder).startswith("job-") and _unused(f"{folder}/work", older_than):
            yield Garbage(kind="sources", path=f"{folder}/work", why=_unused_for(folder), engine=engine)


def _unused_caches(settings: Settings, engine: Engine, older_than: float) -> Iterator[Garbage]:
    in_use = _caches_in_use(state_dir(settings))
    for folder in _folders(cache_dir(settings), depth=2):
        if folder not in in_use and _unused(folder, older_than):
            yield Garbage(kind="cache", path=folder, why=_unused_for(folder), engine=engine)


def _caches_in_use(state: str) -> set[str]:
    return {str(_facts(folder).get("cache", "")) for folder in _folders(f"{state}/jobs", depth=1)}


def _kept(state: str) -> list[str]:
    return [folder for folder in _folders(f"{state}/jobs", depth=1) if (seconds_left(folder) or 0) > 0]


def _unused(folder: str, older_than: float) -> bool:
    """Whether nobody holds the folder, and the last one that did is long gone."""
    holder = os.path.dirname(folder) if os.path.basename(folder) == "work" else folder
    return os.path.isdir(folder) and _age(holder) >= older_than and not os.path.isdir(owner_of(f"{holder}/owner"))


def _set_aside(garbage: Garbage, unused_since: float) -> bool:
    """Take a folder out of the jobs' way in one step, while none can claim it; then remove it."""
    parent = os.path.dirname(garbage.path)
    aside = f"{parent}/{ASIDE}{os.urandom(4).hex()}"
    try:
        with locked(parent):
            if not _unused(garbage.path, time.time() - unused_since):
                return False
            os.rename(garbage.path, aside)
        remove_tree(aside)
    except OSError:
        return False
    return not os.path.lexists(aside)


def _folders(base: str, *, depth: int) -> list[str]:
    """The folders `depth` levels below `base`. Links are followed nowhere."""
    level = [base] if os.path.isdir(base) else []
    for _ in range(depth):
        level = [path for folder in level for path in _folders_in(folder)]
    return sorted(level)


def _folders_in(folder: str) -> list[str]:
    """Those that this account can see; one that goes meanwhile has none."""
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _things(engine: Engine, folder: str) -> tuple[str, ...]:
    """Names of the containers, networks and volumes that carry the job's label."""
    names: list[str] = []
    for kind in KINDS:
        found: Any = engine.labelled(kind, f"{JOB_LABEL}={os.path.basename(folder)}").value() or []
        things = found.get("Volumes") or [] if isinstance(found, dict) else found
        names += (str(thing.get("Name") or thing["Names"][0]).lstrip("/") for thing in things)
    return tuple(names)


def _unused_for(folder: str) -> str:
    from executor.sandbox.ages import span

    return f"not used for {span(_age(folder))}"


def _age(path: str) -> float:
    """Seconds since the folder was touched; 0 where it is gone."""
    try:
        return time.time() - os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0


def _facts(folder: str) -> dict[str, Any]:
    try:
        return load_of_any_version(folder)
    except ExecutorError:
        return {}
