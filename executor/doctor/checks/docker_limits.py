"""What bounds the containers of jobs: cgroups, the walls around them, their runtime."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from executor.doctor.model import Skip, Verdict, check, error, passed, warning

if TYPE_CHECKING:
    from executor.doctor.scene import Scene

SMALLEST_SHM = 1024 * 1024
DAEMON_FILE = "/etc/docker/daemon.json"
RESTART = "systemctl restart docker   # ends running jobs"
KERNEL_ROOM = "With the kernel built without it, or the controller off, a job can take the whole host down."


@check("docker.cgroup.driver", "Docker and systemd agree on who manages cgroups")
def cgroup_driver(scene: Scene) -> Verdict:
    """Only with cgroup v2 under systemd."""
    version, driver = str(scene.info.get("CgroupVersion") or "1"), str(scene.info.get("CgroupDriver") or "")
    if driver == "none":
        return error(
            "The Engine manages no cgroups (driver none).",
            expected="systemd or cgroupfs",
            why="No limit of memory and CPU holds, and nothing can be measured.",
            fix="delegate cgroups to the Engine's user, or run the Engine as root",
        )
    if version != "2" or driver != "cgroupfs" or not scene.world.with_systemd():
        return passed(f"cgroup v{version}, {driver}")
    return warning(
        "The Engine manages cgroups itself (cgroupfs) beside systemd.",
        expected="the cgroup driver systemd",
        why="Two managers of one tree: a reload of systemd can take limits away from running jobs.",
        fix=(f'set "exec-opts": ["native.cgroupdriver=systemd"] in {DAEMON_FILE}', RESTART),
    )


@check("docker.limits.memory", "The kernel can limit the memory of containers")
def limits_memory(scene: Scene) -> Verdict:
    """`memory`, `memory_swap`."""
    docker = scene.settings.docker
    if scene.info.get("MemoryLimit") is False:
        return _no_limit("memory", "cgroup_enable=memory", hard=bool(docker.memory or docker.service_memory))
    if scene.info.get("SwapLimit") is False and docker.memory_swap:
        return warning(
            "The kernel does not limit swap: memory_swap has no effect.",
            expected="swap accounting",
            why="A job over its memory limit swaps, and slows the whole host down.",
            fix=_kernel("swapaccount=1"),
        )
    return passed()


@check("docker.limits.cpu", "The kernel can limit the CPU time of containers")
def limits_cpu(scene: Scene) -> Verdict:
    """`cpus`, `cpuset_cpus`, `cpu_shares`."""
    docker = scene.settings.docker
    if scene.info.get("CpuCfsQuota") is False or scene.info.get("CpuCfsPeriod") is False:
        return _no_limit("CPU time", "CONFIG_CFS_BANDWIDTH", hard=bool(docker.cpus or docker.service_cpus))
    if scene.info.get("CPUSet") is False and docker.cpuset_cpus:
        return _no_limit("the set of CPUs", "CONFIG_CPUSETS", hard=True)
    return passed()


@check("docker.limits.processes", "The kernel can limit the processes of containers")
def limits_processes(scene: Scene) -> Verdict:
    """The pids controller."""
    if scene.info.get("PidsLimit") is not False:
        return passed()
    return warning(
        "The kernel does not limit processes of containers (no pids controller).",
        expected="the pids controller",
        why="A fork bomb in one job takes the whole host down.",
        fix=_kernel("cgroup_enable=pids"),
    )


@check("docker.limits.oom", "The settings for out-of-memory kills can be had")
def limits_oom(scene: Scene) -> Verdict:
    """cgroup v2 knows no `oom_kill_disable`."""
    if not scene.settings.docker.oom_kill_disable or scene.info.get("OomKillDisable") is not False:
        return passed()
    return warning(
        "oom_kill_disable = true has no effect: this kernel cannot do it (cgroup v2).",
        expected="oom_kill_disable left out",
        why="Jobs are killed when they are out of memory, whatever the setting says.",
        fix=f"editor {scene.config}   # take oom_kill_disable out, raise memory",
    )


@check("docker.security.rootless", "The Engine runs as root, or jobs can do without")
def rootless(scene: Scene) -> Verdict:
    """A rootless Engine maps every user of a job."""
    if not any("name=rootless" in option for option in _security(scene)):
        return passed()
    return warning(
        "The Engine is rootless.",
        expected="an Engine that runs as root",
        why="Caches cannot be mounted, limits may not hold, and files of jobs belong to mapped users.",
        fix="use the Engine of the system: take DOCKER_HOST out of the service's environment",
    )


@check("docker.security.userns", "Root of a helper container is root of this host's folders")
def userns(scene: Scene) -> Verdict:
    """userns-remap maps it to somebody who may not enter the job's folder."""
    remapped = any(option.startswith("name=userns") for option in _security(scene))
    if not remapped or scene.settings.docker.userns_mode == "host":
        return passed()
    return error(
        "The Engine maps users of containers to others (userns-remap).",
        expected='no userns-remap, or userns_mode = "host" under [runners.docker]',
        why="The helper container may not enter the job's folder (0700): every job fails at its first stage.",
        fix=f'editor {scene.config}   # userns_mode = "host" under [runners.docker]',
    )


@check("docker.security.seccomp", "Containers run with a seccomp profile")
def seccomp(scene: Scene) -> Verdict:
    """Without it every system call of the kernel is open to jobs."""
    options = _security(scene)
    if any(option.startswith("name=seccomp") and "profile=unconfined" not in option for option in options):
        return passed()
    return warning(
        "The Engine gives containers no seccomp profile.",
        expected="name=seccomp among the security options of `docker info`",
        why="Jobs may make every system call: a hole in the kernel is a hole in this host.",
        fix=(f'take "seccomp-profile": "unconfined" out of {DAEMON_FILE}, or use a kernel with seccomp', RESTART),
    )


@check("docker.security.apparmor", "The Engine uses AppArmor where the kernel does")
def apparmor(scene: Scene) -> Verdict:
    """A kernel without it needs nothing."""
    enabled = scene.world.read("/sys/module/apparmor/parameters/enabled").strip() == "Y"
    named = [
        option for option in scene.settings.docker.security_opt if option.replace(":", "=").startswith("apparmor=")
    ]
    used = any(option.startswith("name=apparmor") for option in _security(scene))
    if named and not used and not named[0].endswith("unconfined"):
        return error(
            f"security_opt asks for {named[0]}, but the Engine has no AppArmor.",
            expected="an Engine with AppArmor, or no such option",
            why="No container of a job can be started.",
            fix=f"editor {scene.config}   # take it out of security_opt",
        )
    if used or not enabled:
        return passed()
    return warning(
        "AppArmor is on in the kernel, and the Engine does not use it.",
        expected="name=apparmor among the security options of `docker info`",
        why="Containers have one wall less around them.",
        fix=("apt-get install apparmor", RESTART),
    )


@check("docker.security.seccomp_profile", "The seccomp profile of security_opt is there")
def seccomp_profile(scene: Scene) -> Verdict:
    """A path on this host."""
    for option in scene.settings.docker.security_opt:
        name, _, path = option.replace(":", "=", 1).partition("=")
        if name == "seccomp" and path.startswith("/") and not scene.world.may(path, os.R_OK):
            return error(
                f"security_opt names the seccomp profile {path}, which {scene.account.name} cannot read.",
                expected="a readable JSON file",
                why="No container of a job can be made.",
                fix=f"put the profile there, or correct security_opt in {scene.config}",
            )
    return passed()


@check("docker.runtime.present", "The runtime for jobs is known to the Engine")
def runtime(scene: Scene) -> Verdict:
    """`runtime` of config.toml, else the Engine's own default."""
    known = scene.info.get("Runtimes") or {}
    wanted = scene.settings.docker.runtime or str(scene.info.get("DefaultRuntime") or "")
    if not known or not wanted or wanted in known:
        return passed(wanted)
    own = bool(scene.settings.docker.runtime)
    return error(
        f"The runtime {wanted} is unknown to the Engine, which has {', '.join(sorted(known))}.",
        expected="one of them",
        why="No container of a job can be started.",
        fix=f"editor {scene.config}   # runtime" if own else f"correct default-runtime in {DAEMON_FILE}; {RESTART}",
    )


@check("docker.runtime.gpus", "The Engine can give GPUs to jobs that are promised them")
def gpus(scene: Scene) -> Verdict:
    """Only where `gpus` is set."""
    docker = scene.settings.docker
    if not docker.gpus and not docker.service_gpus:
        raise Skip("no GPUs are configured")
    devices = scene.info.get("CDISpecDirs") and os.path.isdir("/etc/cdi")
    if "nvidia" in (scene.info.get("Runtimes") or {}) or os.path.exists("/dev/nvidiactl") or devices:
        return passed()
    return error(
        "config.toml promises GPUs; this host has no NVIDIA driver or container toolkit.",
        expected="nvidia among the runtimes of `docker info`",
        why="No container of a job can be started.",
        fix=("apt-get install nvidia-container-toolkit", "nvidia-ctk runtime configure && systemctl restart docker"),
    )


@check("docker.shm.size", "Jobs have a sensible amount of shared memory")
def shm(scene: Scene) -> Verdict:
    """`shm_size` is in bytes, and counts as memory of the container."""
    from executor.settings.units import parse_bytes

    docker = scene.settings.docker
    if 0 < docker.shm_size < SMALLEST_SHM:
        found = f"shm_size is {docker.shm_size} bytes."
    elif docker.memory and docker.shm_size > parse_bytes(docker.memory):
        found = f"shm_size is {docker.shm_size} bytes, more than memory = {docker.memory}."
    else:
        return passed()
    return warning(
        found,
        expected="bytes, such as 268435456 (256 MiB), within `memory`",
        why="Browsers and databases in jobs crash for want of shared memory, or are killed for using it.",
        fix=f"editor {scene.config}   # shm_size = 268435456",
    )


def _security(scene: Scene) -> list[str]:
    return [str(option) for option in scene.info.get("SecurityOptions") or []]


def _no_limit(what: str, parameter: str, *, hard: bool) -> Verdict:
    verdict = error if hard else warning
    return verdict(
        f"The kernel cannot limit {what} of containers.",
        expected="the cgroup controller for it",
        why=f"{KERNEL_ROOM}{' A configured limit makes containers fail.' if hard else ''}",
        fix=_kernel(parameter),
    )


def _kernel(parameter: str) -> str:
    return f"add {parameter} to the kernel's command line (GRUB_CMDLINE_LINUX), update-grub, reboot"
