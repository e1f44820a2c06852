"""Settings as frozen values. Names, units and defaults of `[runners.docker]` are the docker executor's."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """One `[[runners.docker.services]]`."""

    name: str
    alias: str = ""
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    environment: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DockerSettings:
    """`[runners.docker]`. Sizes are the operator's words ("2g"); None or "" is "not set"."""

    host: str = ""
    tls_cert_path: str = ""
    tls_verify: bool = False
    image: str = ""
    pull_policy: tuple[str, ...] = ()
    allowed_pull_policies: tuple[str, ...] = ()
    allowed_images: tuple[str, ...] = ()
    allowed_services: tuple[str, ...] = ()
    allowed_privileged_images: tuple[str, ...] = ()
    allowed_privileged_services: tuple[str, ...] = ()
    allowed_users: tuple[str, ...] = ()
    services_limit: int | None = None
    helper_image: str = ""
    helper_image_flavor: str = ""
    disable_entrypoint_overwrite: bool = False
    hostname: str = ""
    user: str = ""
    privileged: bool = False
    services_privileged: bool | None = None
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    sysctls: dict[str, str] = field(default_factory=dict)
    ulimit: dict[str, str] = field(default_factory=dict)
    security_opt: tuple[str, ...] = ()
    services_security_opt: tuple[str, ...] = ()
    userns_mode: str = ""
    runtime: str = ""
    isolation: str = ""
    pid_mode: str = ""
    ipcmode: str = ""
    memory: str = ""
    memory_swap: str = ""
    memory_reservation: str = ""
    cpus: str = ""
    cpu_shares: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    oom_kill_disable: bool = False
    oom_score_adjust: int = 0
    cgroup_parent: str = ""
    shm_size: int = 0
    service_memory: str = ""
    service_memory_swap: str = ""
    service_memory_reservation: str = ""
    service_cpus: str = ""
    service_cpu_shares: int = 0
    service_cpuset_cpus: str = ""
    service_cgroup_parent: str = ""
    gpus: str = ""
    service_gpus: str = ""
    devices: tuple[str, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()
    services_devices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    network_mode: str = ""
    enable_ipv6: bool = False
    network_mtu: int = 0
    mac_address: str = ""
    volumes: tuple[str, ...] = ()
    volumes_from: tuple[str, ...] = ()
    volume_driver: str = ""
    volume_driver_ops: dict[str, str] = field(default_factory=dict)
    volume_keep: bool = False
    tmpfs: dict[str, str] = field(default_factory=dict)
    services_tmpfs: dict[str, str] = field(default_factory=dict)
    cache_dir: str = ""
    disable_cache: bool = False
    wait_for_services_timeout: int = 0
    container_labels: dict[str, str] = field(default_factory=dict)
    log_options: dict[str, str] = field(default_factory=dict)
    services: tuple[ServiceSettings, ...] = ()


@dataclass(frozen=True, kw_only=True)
class S3CacheSettings:
    """`[runners.cache.s3]`: the bucket, by the runner's keys (`ServerAddress` is `server_address`).

    `server_address` is "host" or "host:port", "" for AWS itself. None is what the runner makes of the address.
    """

    server_address: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    bucket_name: str = ""
    bucket_location: str = ""
    insecure: bool = False
    authentication_type: str = ""
    server_side_encryption: str = ""
    server_side_encryption_key_id: str = ""
    dual_stack: bool | None = None
    path_style: bool | None = None
    accelerate: bool = False


@dataclass(frozen=True, kw_only=True)
class RunnerCacheSettings:
    """`[runners.cache]`. `type` "" is: caches stay on this host. `max_uploaded_archive_size` is in bytes (0: any)."""

    type: str = ""
    path: str = ""
    shared: bool = False
    max_uploaded_archive_size: int = 0
    s3: S3CacheSettings = field(default_factory=S3CacheSettings)


@dataclass(frozen=True, kw_only=True)
class RunnerSettings:
    """One `[[runners]]`. `short_token` names the runner; the token itself is never kept."""

    name: str = ""
    url: str = ""
    short_token: str = ""
    executor: str = "custom"
    shell: str = ""
    builds_dir: str = "/builds"
    cache_dir: str = "/cache"
    debug_trace_disabled: bool = False
    environment: tuple[str, ...] = field(default=(), repr=False)
    feature_flags: dict[str, bool] = field(default_factory=dict)
    docker: DockerSettings = field(default_factory=DockerSettings)
    cache: RunnerCacheSettings = field(default_factory=RunnerCacheSettings)


@dataclass(frozen=True, kw_only=True)
class HelperSettings:
    """`[helper]` of executor.toml: the container that runs git, caches and artifacts.

    `image` "" is: the image that `scripts/` builds where it is present, else the runner's own helper image.
    `gitlab_runner` is the binary mounted into it ("" is the one on PATH).
    `volumes` are host mounts of the helper alone, `source:target[:ro]`.
    """

    image: str = ""
    gitlab_runner: str = ""
    volumes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StorageSettings:
    """`[storage]` of executor.toml: host folders ("" is a folder of that name in `state_dir`)."""

    state_dir: str = ""
    builds_dir: str = ""
    cache_dir: str = ""


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """`[cache]` of executor.toml: how the jobs' caches are kept.

    `mode` "auto" keeps them as layers in the folder `store` ("" is `caches` in `state_dir`) and mounts them, "archive"
    leaves them to the runner's own archives. `quota` bounds what one runner's caches take on the disk, `max_age` how
    long one stays that no job uses ("" of either: without bound). `bucket_expiry` is after how long the bucket of
    `[runners.cache.s3]` drops an object ("" is never).
    """

    mode: str = "auto"
    store: str = ""
    quota: str = "20g"
    max_age: str = "14d"
    bucket_expiry: str = "30d"


@dataclass(frozen=True, kw_only=True)
class KeepSettings:
    """`[keep]` of executor.toml: how long the containers of failed jobs stay for a look, as "30m" ("" is not at all).

    `on_failure` is for jobs that ask for nothing, `max` the longest that a job may ask for ("" is as `on_failure`).
    """

    on_failure: str = ""
    max: str = ""


@dataclass(frozen=True, kw_only=True)
class ImagesSettings:
    """`[images]` of executor.toml: `quota` bounds what the images take that jobs had pulled ("" is without bound)."""

    quota: str = ""


@dataclass(frozen=True, kw_only=True)
class LimitsSettings:
    """`[limits]` of executor.toml: the most that jobs may ask for with JOB_MEMORY and JOB_CPUS, for one container.

    "" is what `[runners.docker]` gives, so that jobs may only ask for less. `auto` gives a job whose earlier run was
    killed for its memory more than it had then.
    """

    max_memory: str = ""
    max_cpus: str = ""
    auto: bool = False


@dataclass(frozen=True, kw_only=True)
class UsageSettings:
    """`[usage]` of executor.toml: whether it is measured what jobs use, how often, and whether their logs show it."""

    enabled: bool = True
    interval: str = "1s"
    section: bool = True


@dataclass(frozen=True, kw_only=True)
class HistorySettings:
    """`[history]` of executor.toml: for how long it is known what jobs used, and of how many runs of each at most."""

    keep: str = "90d"
    runs: int = 200


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """`[report]` of executor.toml: where GitLab shows what jobs used, beside their logs.

    `artifacts` sends the reports `metrics` and `annotations` with the job's own token. `url` is what the job's page
    links to, with `{job}`, `{pipeline}`, `{project}`, `{project_id}`, `{ref}` and `{sha}` for the job's.
    `token_file` holds a token of the operator's, or `token_env` names a variable of the runner's service with it: for
    `commit_status` and `merge_request_note`, which tell of regressions. Prices are of an hour, in `currency`.
    """

    artifacts: bool = False
    url: str = ""
    token_file: str = ""
    token_env: str = ""
    commit_status: bool = False
    merge_request_note: bool = False
    cpu_price: float = 0.0
    memory_gib_price: float = 0.0
    currency: str = ""


@dataclass(frozen=True, kw_only=True)
class PolicySettings:
    """One `[[policy]]` of executor.toml: what some projects' jobs get of what `[runners.docker]` gives.

    `projects` are patterns of project paths (none: all projects), `protected` tells jobs of protected refs (true) from
    others (false). All other fields only take away; None, "" and () take nothing, an empty list of what is allowed
    takes everything.
    """

    name: str = ""
    projects: tuple[str, ...] = ()
    protected: bool | None = None
    deny: bool = False
    images: tuple[str, ...] | None = None
    deny_images: tuple[str, ...] = ()
    services: tuple[str, ...] | None = None
    deny_services: tuple[str, ...] = ()
    privileged: bool | None = None
    volumes: tuple[str, ...] | None = None
    networks: tuple[str, ...] | None = None
    max_memory: str = ""
    max_cpus: str = ""


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """`[audit]` of executor.toml: `file` "" is audit.jsonl in `state_dir`; `max_size` is when another one is begun."""

    enabled: bool = True
    file: str = ""
    max_size: str = "10m"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything the operator said, with where it was read and what to warn about."""

    runner: RunnerSettings = field(default_factory=RunnerSettings)
    helper: HelperSettings = field(default_factory=HelperSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    keep: KeepSettings = field(default_factory=KeepSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    images: ImagesSettings = field(default_factory=ImagesSettings)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    usage: UsageSettings = field(default_factory=UsageSettings)
    history: HistorySettings = field(default_factory=HistorySettings)
    report: ReportSettings = field(default_factory=ReportSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    policy: tuple[PolicySettings, ...] = ()
    config_file: str = ""
    executor_file: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def docker(self) -> DockerSettings:
        """`[runners.docker]` of the chosen runner."""
        return self.runner.docker
