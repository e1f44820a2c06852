"""A job as GitLab sends it: frozen, and made of trusted facts only (JOB_RESPONSE_FILE)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One entry of `variables`. `value` is unexpanded; `raw` values are never expanded."""

    key: str
    value: str
    public: bool = False
    file: bool = False
    masked: bool = False
    raw: bool = False


@dataclass(frozen=True, kw_only=True)
class Image:
    """`image:` or one of `services:`. `name` and `alias` are already expanded by the runner, the rest is not."""

    name: str
    alias: str = ""
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    pull_policy: tuple[str, ...] = ()
    platform: str = ""
    user: str = ""
    variables: tuple[Variable, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Login of a registry that came with the job."""

    url: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Cache:
    """One entry of `cache`, nothing in it expanded. `policy` and `when` are GitLab's words, "" is its default."""

    key: str = ""
    fallback_keys: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    untracked: bool = False
    policy: str = ""
    when: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the driver needs of one job. `timeout` in seconds.

    `user` is the login of who started it, "" where GitLab does not say. `secret_names` are the variables that the
    runner fills from `secrets:`, over any others of the name. `trace_sections` is whether GitLab folds sections of the
    job log.
    """

    id: int
    name: str
    stage: str
    project_id: int
    project_path: str
    ref: str
    sha: str
    before_sha: str
    protected: bool
    timeout: int
    repo_url: str = field(repr=False)
    allow_git_fetch: bool
    image: Image
    services: tuple[Image, ...]
    variables: tuple[Variable, ...]
    credentials: tuple[Credentials, ...]
    caches: tuple[Cache, ...]
    pipeline_id: int | None = None
    url: str = ""
    user: str = ""
    secret_names: tuple[str, ...] = ()
    trace_sections: bool = False
