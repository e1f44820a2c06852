"""Limits, rights and devices of containers, in the words of the Engine API's HostConfig."""

from __future__ import annotations

from executor.errors import OperatorError
from executor.plan.devices import device, device_requests, ulimit
from executor.plan.globs import matches_any
from executor.plan.limits import build_limits, service_limits
from executor.plan.model import BUILD, HELPER
from executor.settings.units import parse_bytes, parse_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    from executor.plan.request import Request

    Read = TypeVar("Read")

INIT_FLAG = "FF_USE_INIT_WITH_DOCKER_EXECUTOR"
# Bounded: a chatty container must not fill the host's disk.
LOG_SIZE = {"max-size": "50m", "max-file": "2"}
SECCOMP = "seccomp="
PROFILES_WITHOUT_FILE = ("unconfined", "builtin")
NANOS = 10**9


def job_host_config(request: Request, role: str, written: str) -> dict[str, Any]:
    """HostConfig of the helper or the build container: the same for both, but for what is the script's alone.

    `written` is the name of the image before it was completed, which is what allow-lists are about.
    """
    docker, limits = request.docker, _limits(request)
    only_build = {"PidMode": docker.pid_mode, "Init": request.feature(INIT_FLAG)} if role == BUILD else {}
    return _present(
        {
            **limits,
            **(build_limits(request, limits) if role == BUILD else {}),
            **_common(request),
            **only_build,
            "Privileged": docker.privileged and _may_be_privileged(role, written, docker.allowed_privileged_images),
            "ShmSize": docker.shm_size,
            "Ulimits": [_read(ulimit, "ulimit", name, text) for name, text in docker.ulimit.items()],
            "Sysctls": dict(docker.sysctls),
            "Devices": [_read(device, "devices", text) for text in docker.devices],
            "DeviceRequests": _read(device_requests, "gpus", docker.gpus),
            "DeviceCgroupRules": list(docker.device_cgroup_rules),
            "CapAdd": list(docker.cap_add),
            "CapDrop": list(docker.cap_drop),
            "SecurityOpt": _security_options(docker.security_opt),
            "IpcMode": docker.ipcmode,
            "GroupAdd": list(docker.group_add),
            "Links": list(docker.links),
            "VolumesFrom": list(docker.volumes_from),
            "Tmpfs": dict(docker.tmpfs),
        }
    )


def service_host_config(request: Request, written: str, image: str) -> dict[str, Any]:
    """HostConfig of a service: the operator's `service_*` and `services_*` keys.

    Lists of what may be privileged match the name as `written`, those of devices the complete name in `image`.
    """
    docker, limits = request.docker, _service_limits(request)
    privileged = docker.privileged if docker.services_privileged is None else docker.services_privileged
    return _present(
        {
            **limits,
            **service_limits(request, limits),
            **_common(request),
            "Init": request.feature(INIT_FLAG),
            "Privileged": privileged and _matches(written, docker.allowed_privileged_services),
            "ShmSize": docker.shm_size,
            "Devices": _service_devices(request, image),
            "DeviceRequests": _read(device_requests, "service_gpus", docker.service_gpus),
            "SecurityOpt": _security_options(docker.services_security_opt),
            "Tmpfs": dict(docker.services_tmpfs),
        }
    )


def seccomp_profile(options: Iterable[str]) -> str:
    """The host's file that a `seccomp=` option names, "" for none: its content has to be read where it is used."""
    profiles = [option.removeprefix(SECCOMP) for option in options if option.startswith(SECCOMP)]
    return next((profile for profile in profiles if _is_file(profile)), "")


def check_isolation(request: Request) -> None:
    """`isolation` means nothing to Linux containers."""
    if request.docker.isolation not in ("", "default"):
        request.warn(f'isolation = "{request.docker.isolation}" in config.toml has no effect: it is for Windows.')


def _limits(request: Request) -> dict[str, Any]:
    docker = request.docker
    return {
        **_amounts(request, "", docker.memory, docker.memory_swap, docker.memory_reservation, docker.cpus),
        "CpuShares": docker.cpu_shares,
        "CpusetCpus": docker.cpuset_cpus,
        "CpusetMems": docker.cpuset_mems,
        "OomKillDisable": docker.oom_kill_disable,
        "OomScoreAdj": docker.oom_score_adjust,
        "CgroupParent": docker.cgroup_parent,
    }


def _service_limits(request: Request) -> dict[str, Any]:
    docker = request.docker
    memory, swap, reservation = docker.service_memory, docker.service_memory_swap, docker.service_memory_reservation
    return {
        **_amounts(request, "service_", memory, swap, reservation, docker.service_cpus),
        "CpuShares": docker.service_cpu_shares,
        "CpusetCpus": docker.service_cpuset_cpus,
        "CgroupParent": docker.service_cgroup_parent,
    }


def _amounts(request: Request, prefix: str, memory: str, swap: str, reservation: str, cpus: str) -> dict[str, Any]:
    """What is written in words; `prefix` begins the names of the keys that it comes from."""
    return {
        "Memory": _memory(request, f"{prefix}memory", memory),
        "MemorySwap": _size(f"{prefix}memory_swap", swap),
        "MemoryReservation": _size(f"{prefix}memory_reservation", reservation),
        "NanoCpus": _cpus(request, f"{prefix}cpus", cpus),
    }


def _common(request: Request) -> dict[str, Any]:
    docker = request.docker
    return {
        "UsernsMode": docker.userns_mode,
        "Runtime": docker.runtime,
        "Dns": list(docker.dns),
        "DnsSearch": list(docker.dns_search),
        "ExtraHosts": list(docker.extra_hosts),
        "LogConfig": {"Type": "json-file", "Config": LOG_SIZE | docker.log_options},
    }


def _may_be_privileged(role: str, image: str, patterns: tuple[str, ...]) -> bool:
    """Hooks of a job run in the helper: where only some images may be privileged, it never is."""
    return not patterns if role == HELPER else _matches(image, patterns)


def _matches(image: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or matches_any(image, patterns)


def _service_devices(request: Request, image: str) -> list[dict[str, str]]:
    return [
        _read(device, "services_devices", text)
        for pattern, devices in request.docker.services_devices.items()
        if matches_any(image, [pattern])
        for text in devices
    ]


def _security_options(options: tuple[str, ...]) -> list[str]:
    return [option for option in options if not (option.startswith(SECCOMP) and seccomp_profile([option]))]


def _is_file(profile: str) -> bool:
    """Not a word of Docker's, and not the profile's own JSON text."""
    return bool(profile) and profile not in PROFILES_WITHOUT_FILE and not profile.lstrip().startswith("{")


def _memory(request: Request, key: str, text: str) -> int:
    size = _size(key, text)
    if request.host.memory and size > request.host.memory:
        request.warn(f"{key} = {text!r} in config.toml is more than the host has: it limits nothing.")
    return size


def _cpus(request: Request, key: str, text: str) -> int:
    """Docker refuses more CPUs than there are; the docker executor's users would lose every job to it."""
    nanos = _read(parse_cpus, key, text) if text else 0
    most = request.host.cpus * NANOS
    if most and nanos > most:
        request.warn(f"{key} = {text!r} in config.toml is more than the host's {request.host.cpus}: it limits nothing.")
        return 0
    return nanos


def _size(key: str, text: str) -> int:
    return _read(parse_bytes, key, text) if text else 0


def _read(reader: Callable[..., Read], key: str, *words: str) -> Read:
    """What `reader` makes of the operator's words, or whose mistake it is."""
    try:
        return reader(*words)
    except ValueError as error:
        raise OperatorError(f"{key} in config.toml: {error}.") from None


def _present(config: dict[str, Any]) -> dict[str, Any]:
    """Without what says nothing: zero, empty and false are the Engine's own defaults."""
    return {key: value for key, value in config.items() if value}
