"""What is remembered of a job's caches between the driver's calls, in small files that no job can reach.

<job>/caches            written by `prepare`: what the job asks for, and how it is given
<job>/caches-state      written by each cache stage: what was restored, what is mounted, what was saved
<builds>/cached         beside the folder that is mounted: the cached paths, for who has to take a mount away
                        though the job's own folder is gone
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field

from executor.cache.jobs.model import Request, from_plain
from executor.cache.store.model import Maker, Place, Snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

CACHES = "caches"
STATE = "caches-state"
CACHED = "cached"


@dataclass(frozen=True, kw_only=True)
class JobCaches:
    """The caches of one job.

    `store` is the store's folder, `builds` the host's folder that jobs see as builds_dir, `prefix` the project's path
    below it, `project_dir` the project as jobs see it. `mounts` is false where layers are copied. `lease` is the job's
    key. `quota` (bytes) and `max_age` (seconds) bound the store, 0 does not. `bucket_of` is the short token of the
    runner whose bucket other hosts share the caches through, "" for none.
    """

    store: str
    builds: str
    prefix: str
    project_dir: str
    mounts: bool
    lease: str
    maker: Maker
    requests: tuple[Request, ...]
    quota: int
    max_age: float
    bucket_of: str = ""


@dataclass(kw_only=True)
class State:
    """How far the job is. `restored` has an entry a request, None for what was not found; `mounted` tells which of them
    are layers of the overlay; `saved` are the places that were saved to.
    """

    restored: list[Snapshot | None] = field(default_factory=list)
    mounted: list[bool] = field(default_factory=list)
    saved: list[Place] = field(default_factory=list)

    def snapshots(self) -> list[Snapshot]:
        """What is mounted, in the order of the requests."""
        return [
            snapshot
            for snapshot, is_mounted in zip(self.restored, self.mounted, strict=True)
            if is_mounted and snapshot
        ]

    def layers(self) -> list[str]:
        """The ids of the layers that are mounted, the top one first: a later cache lies above an earlier one."""
        return [layer for snapshot in reversed(self.snapshots()) for layer in snapshot.layers]


def keep_caches(job_folder: str, caches: JobCaches) -> None:
    """Write what later calls need."""
    _write(f"{job_folder}/{CACHES}", asdict(caches))


def has_caches(job_folder: str) -> bool:
    """Whether this job's caches come from the store."""
    return os.path.exists(f"{job_folder}/{CACHES}")


def load_caches(job_folder: str) -> JobCaches:
    """What `prepare` wrote."""
    facts = _read(f"{job_folder}/{CACHES}")
    requests = tuple(from_plain(entry) for entry in facts.pop("requests"))
    return JobCaches(maker=Maker(**facts.pop("maker")), requests=requests, **facts)


def keep_state(job_folder: str, state: State) -> None:
    """Write how far the job is."""
    _write(f"{job_folder}/{STATE}", asdict(state))


def load_state(job_folder: str, requests: int) -> State:
    """How far the job is; a job of so many requests that has not restored anything, where nothing is written."""
    if not os.path.exists(f"{job_folder}/{STATE}"):
        return State(restored=[None] * requests, mounted=[False] * requests)
    facts = _read(f"{job_folder}/{STATE}")
    restored = [_snapshot(entry) if entry else None for entry in facts["restored"]]
    return State(restored=restored, mounted=facts["mounted"], saved=[Place(**place) for place in facts["saved"]])


def keep_cached_paths(builds: str, prefix: str, roots: Iterable[str]) -> None:
    """Write which paths in `builds` are parts of caches, before anything is mounted there."""
    _write(f"{os.path.dirname(builds)}/{CACHED}", {"prefix": prefix, "roots": sorted(roots)})


def cached_paths(folder: str) -> tuple[str, list[str]]:
    """The project's path and the cached paths below it, of the folder that holds `builds`."""
    try:
        facts = _read(f"{folder}/{CACHED}")
        return str(facts["prefix"]), [str(root) for root in facts["roots"]]
    except (ValueError, KeyError):
        # The disk was full: nothing was mounted then.
        return "", []


def _snapshot(facts: dict[str, Any]) -> Snapshot:
    place, maker = Place(**facts.pop("place")), Maker(**facts.pop("maker"))
    layers, roots = tuple(facts.pop("layers")), tuple(facts.pop("roots"))
    return Snapshot(place=place, maker=maker, layers=layers, roots=roots, **facts)


def _write(path: str, facts: dict[str, Any]) -> None:
    temporary = f"{path}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "w") as file:
        json.dump(facts, file)
    os.replace(temporary, path)


def _read(path: str) -> dict[str, Any]:
    with open(path) as file:
        facts: dict[str, Any] = json.load(file)
    return facts
