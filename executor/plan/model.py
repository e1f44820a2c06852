"""The plan of a job: everything that will be created for it, before anything is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A path in a container. `source` is a host path, or a volume's name where `volume` is true.

    `labels` are those of a volume that the driver creates; `temporary` volumes go with the job.
    """

    source: str
    target: str
    mode: str = "rw"
    volume: bool = False
    temporary: bool = False
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ImagePlan:
    """An image and how it may be had: one pull attempt per entry of `pull_policies`, in order."""

    name: str
    pull_policies: tuple[str, ...]
    platform: str = ""


@dataclass(frozen=True, kw_only=True)
class ContainerPlan:
    """One container. `role` is helper, build or service.

    `entrypoint` None keeps the image's, () clears it; `command` None keeps the image's.
    `environment` becomes part of the container's metadata: no secrets in it.
    `host_config` is the Engine API's HostConfig, but for mounts and network, which have their own fields.
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
    host_config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ServicePlan:
    """A service container with the names it answers to and how its readiness is checked.

    `wait_port` is HEALTHCHECK_TCP_PORT where the job set it; `wait_seconds` <= 0 means no check.
    `secret_environment` reaches the container, yet is left out of every print of the plan.
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
class Plan:
    """All that one job needs. `key` names the job on this host: in names, labels and the state folder."""

    key: str
    network: NetworkPlan | None
    helper: ContainerPlan
    build: ContainerPlan
    services: tuple[ServicePlan, ...]
    builds_host_dir: str
    reusable_builds: bool
    warnings: tuple[str, ...] = ()
