"""The plan of a job: everything that will be created for it, before anything is."""

from __future__ import annotations

from dataclasses import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Where a container sees its control folder: nothing else may be mounted there.
CONTROL = "/.virida-executor"
GITLAB_RUNNER = "/usr/local/bin/gitlab-runner"

HELPER = "helper"
BUILD = "build"
SERVICE = "service"

MOUNT = "mount"
COPY = "copy"
ARCHIVE = "archive"
NO_CACHES = "none"


@dataclass(frozen=True, kw_only=True)
class Host:
    """What is known of the host, and of the job's place on it, without asking Docker.

    `key` ([a-z0-9-]) names the job on this host; what follows its last dash tells apart two tries of the same job.
    `job_dir` is the host's folder of the job's state. `builds_host_dir` and `cache_host_dir` are the host's folders
    behind the runner's `builds_dir` and `cache_dir`. `slot` None is "forged". `gitlab_runner` is the host's binary for
    the helper, "" for none. `variables` are the job's effective ones (see `job_variables`): forgeable, only for
    expansion. `cpus` is a count, `memory` bytes, `platform` as in linux/amd64. `needed_memory` is what the job's build
    container should have by its history, in bytes, 0 for unknown. `project_dir` is where the runner puts the project in
    the containers, "" where the job overwrote what it says. `cache_store` is the folder of layers, "" where the driver
    can keep none; `cache_obstacle` why they cannot be mounted.
    """

    key: str
    job_dir: str
    builds_host_dir: str
    cache_host_dir: str
    reusable_builds: bool
    slot: int | None
    gitlab_runner: str
    variables: dict[str, str] = field(repr=False)
    cpus: int
    memory: int
    platform: str
    needed_memory: int = 0
    project_dir: str = ""
    cache_store: str = ""
    cache_obstacle: str = ""


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A path in a container. `source` is a host path, or a volume's name where `volume` is true.

    `mode` is Docker's (`ro`, `rw,z`). `labels`, `driver` and `driver_options` are those of a volume that the driver
    creates (one without labels is the operator's own); `temporary` volumes go with the job.
    """

    source: str
    target: str
    mode: str = "rw"
    volume: bool = False
    temporary: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    driver: str = ""
    driver_options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ImagePlan:
    """An image and how it may be had: one pull attempt per entry of `pull_policies`, in order.

    `name` always has a tag or digest, or is an image's id. `alternative` is taken where this one cannot be had.
    """

    name: str
    pull_policies: tuple[str, ...]
    platform: str = ""
    alternative: ImagePlan | None = None


@dataclass(frozen=True, kw_only=True)
class ContainerPlan:
    """One container. `role` is helper, build or service.

    `entrypoint` None keeps the image's, () clears it; `command` None keeps the image's.
    `environment` becomes part of the container's metadata: no secrets in it.
    `host_config` is the Engine API's HostConfig, but for mounts and network, which have their own fields, and the
    seccomp profile, a JSON file on the host whose content belongs in SecurityOpt.
    `network_mode` "container:NAME" names another container of the plan, whose network this one shares.
    """

    role: str
    name: str
    image: ImagePlan
    labels: dict[str, str]
    user: str = ""
    hostname: str = ""
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    environment: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    network_mode: str = ""
    network_aliases: tuple[str, ...] = ()
    mac_address: str = ""
    seccomp_profile: str = ""
    host_config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ServicePlan:
    """A service container with the names it answers to and how its readiness is checked.

    `wait_port` is HEALTHCHECK_TCP_PORT where the job set it; `wait_seconds` <= 0 means no check.
    """

    container: ContainerPlan
    aliases: tuple[str, ...]
    wait_port: int | None = None
    wait_seconds: int = 30


@dataclass(frozen=True, kw_only=True)
class NetworkPlan:
    """The job's own bridge network; None in the plan where the operator named a network mode."""

    name: str
    labels: dict[str, str]
    enable_ipv6: bool = False
    mtu: int = 0


@dataclass(frozen=True, kw_only=True)
class Handover:
    """The project folder that becomes the build container's user's, and `mark`, a file whose owner tells who that is.

    Both are paths in the containers; any user may write in the folder of `mark`.
    """

    project_dir: str
    mark: str


@dataclass(frozen=True, kw_only=True)
class CachePlan:
    """How `cache:` is kept. `mode` is MOUNT or COPY (from layers in `store`), ARCHIVE (by the runner's own scripts) or
    NO_CACHES; `why` says why it is nothing better. `prefix` is the project's path below builds_dir. With `bucket` other
    hosts share the layers.
    """

    mode: str = NO_CACHES
    why: str = ""
    store: str = ""
    prefix: str = ""
    bucket: bool = False

    @property
    def in_store(self) -> bool:
        """Whether the driver keeps the caches itself."""
        return self.mode in (MOUNT, COPY)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that one job needs. `key` names the job on this host: in names, labels and the state folder.

    `keep_volumes` leaves anonymous volumes behind when containers go. `keep_seconds` is how long they all stay after a
    failure. `service_logs` shows in the job log what services write. `handover` None leaves the sources open to all
    users. `attempts` is how often a stage is run whose container vanished. `rule` names the policy that held, "" for
    none. `warnings` are one-liners for the job log.
    """

    key: str
    network: NetworkPlan | None
    helper: ContainerPlan
    build: ContainerPlan
    services: tuple[ServicePlan, ...]
    builds_host_dir: str
    reusable_builds: bool
    keep_volumes: bool = False
    keep_seconds: int = 0
    service_logs: bool = False
    handover: Handover | None = None
    attempts: int = 1
    caches: CachePlan = field(default_factory=CachePlan)
    rule: str = ""
    warnings: tuple[str, ...] = ()
