"""What the store is asked for and gives: places, snapshots, and the facts kept of a layer."""

from __future__ import annotations

from dataclasses import dataclass

# Who may write a cache: jobs of protected refs under a key that GitLab made for them, or all the others.
PROTECTED = "p"
UNPROTECTED = "u"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a cache is found: whose it is, and under which key. `trust` is PROTECTED or UNPROTECTED.

    `key` is expanded and sanitised, of any length and content: only its digest becomes part of a path.
    """

    project_id: int
    trust: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Maker:
    """The job that saved a cache: its id, its name and its project's path, for people."""

    job_id: int
    job_name: str
    project: str


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer: a tree below `l/<id>` that never changes. Its content lies below `prefix`, as in a job's builds_dir.

    `parent` is the id of the layer that it was made on, "" for one that stands alone. `bytes` and `files` count what
    lies in this layer; `digest` ("" until computed, after the job) is of its whole tree. `synced` is false until the
    disk has it; an unsynced layer of another boot (`boot_id`) is void. `made` is in seconds since the epoch.
    `blob` is the sha256 of the archive that the layer came from or was last packed into for a bucket ("": none yet),
    `blob_bytes` that archive's size and `tar_bytes` its size before it was compressed.
    """

    id: str
    prefix: str
    parent: str
    bytes: int
    files: int
    made: float
    boot_id: str
    synced: bool = False
    digest: str = ""
    blob: str = ""
    blob_bytes: int = 0
    tar_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One version of a cache: what a pointer says. `layers` are ids, the top one first.

    `prefix` is the project's path below builds_dir, by which all its layers are laid out ("group/project"); `roots`
    are paths below the project that hold all of the content; `bytes` and `files` count what a job sees, all layers
    together. `generation` grows with each save; `saved` is in seconds since the epoch.
    """

    place: Place
    layers: tuple[str, ...]
    prefix: str
    roots: tuple[str, ...]
    bytes: int
    files: int
    generation: int
    saved: float
    maker: Maker


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A cache of the store for people: what its pointer says, how often it was restored and when it was last used.

    `whole` is false for one that is not found any more: a layer is missing, or was lost with the power.
    """

    snapshot: Snapshot
    hits: int
    last_use: float
    whole: bool


@dataclass(frozen=True, kw_only=True)
class Stats:
    """The store in numbers: `bytes` and `files` of all layers, caches, look-ups that found one, look-ups that did not,
    and leases of jobs.
    """

    bytes: int
    files: int
    layers: int
    caches: int
    hits: int
    misses: int
    leases: int


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What a garbage collection took away: caches, layers with their `bytes`, and what dead jobs left (`stages`,
    `leases`). `kept_bytes` are those of the layers that stay.
    """

    caches: int = 0
    layers: int = 0
    bytes: int = 0
    stages: int = 0
    leases: int = 0
    kept_bytes: int = 0
