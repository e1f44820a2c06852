"""A pipeline as GitLab would make it of `.gitlab-ci.yml`: every job resolved, nothing left to merge."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a job or keyword stands: path relative to the repository, line from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """`image:` or an entry of `services:`, unexpanded."""

    name: str
    alias: str = ""
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    pull_policy: tuple[str, ...] = ()
    platform: str = ""
    user: str = ""
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CacheSpec:
    """One `cache:`. `key_files` are the files of `key:files`, `key` otherwise holds the unexpanded key."""

    key: str = "default"
    key_files: tuple[str, ...] = ()
    key_prefix: str = ""
    fallback_keys: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    untracked: bool = False
    policy: str = "pull-push"
    when: str = "on_success"


@dataclass(frozen=True, kw_only=True)
class ArtifactsSpec:
    """`artifacts:` of a job. `reports` maps a report's type to its paths."""

    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    untracked: bool = False
    name: str = "artifacts"
    when: str = "on_success"
    expire_in: str = ""
    reports: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Need:
    """One entry of `needs:`: the resolved name of a job in this pipeline."""

    job: str
    artifacts: bool = True
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class RetrySpec:
    """`retry:`: how often, and for which failures (`when` words and exit codes; empty is always)."""

    max: int = 0
    when: tuple[str, ...] = ()
    exit_codes: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EnvironmentSpec:
    """`environment:`, unexpanded."""

    name: str = ""
    url: str = ""
    action: str = "start"
    tier: str = ""


@dataclass(frozen=True, kw_only=True)
class PipelineJob:
    """One job after `default`, `extends`, `include`, `!reference`, `rules` and `parallel` are applied.

    `variables` hold the global, job, matrix (with CI_NODE_INDEX and CI_NODE_TOTAL) and rule ones, unexpanded; later
    ones win, as in GitLab.
    `raw_variables` names those with `expand: false`.
    `needs` None is "all jobs of earlier stages"; `dependencies` None is "artifacts of all jobs it waits for".
    `when` is on_success, on_failure, always, manual or delayed. `timeout` in seconds, 0 for none.
    `script_positions` gives the line of each entry of `script`.
    """

    name: str
    stage: str
    position: Position
    script: tuple[str, ...]
    before_script: tuple[str, ...] = ()
    after_script: tuple[str, ...] = ()
    script_positions: tuple[Position, ...] = ()
    image: ImageSpec | None = None
    services: tuple[ImageSpec, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    raw_variables: frozenset[str] = frozenset()
    cache: tuple[CacheSpec, ...] = ()
    artifacts: ArtifactsSpec | None = None
    needs: tuple[Need, ...] | None = None
    dependencies: tuple[str, ...] | None = None
    when: str = "on_success"
    allow_failure: bool | tuple[int, ...] = False
    retry: RetrySpec = field(default_factory=RetrySpec)
    timeout: int = 0
    tags: tuple[str, ...] = ()
    environment: EnvironmentSpec | None = None
    pre_get_sources_script: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """All jobs that this pipeline runs, in order of stage and of the file.

    `skipped` are jobs that exist but whose rules say no (name to reason).
    `remarks` are one-line sayings (with file:line) about keywords that have no effect here.
    """

    stages: tuple[str, ...]
    jobs: tuple[PipelineJob, ...]
    skipped: dict[str, str] = field(default_factory=dict)
    name: str = ""
    remarks: tuple[str, ...] = ()
