"""The Docker Engine: whether it answers, to whom, and whether it can do what jobs need."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from typing import TYPE_CHECKING, Any

from executor.doctor.model import Repair, Skip, Verdict, check, error, note, passed, warning
from executor.engine.client import EngineError
from executor.errors import ExecutorError

if TYPE_CHECKING:
    from executor.doctor.scene import Scene

OLDEST_API = (1, 41)
OLDEST_ENGINE = (20, 10)
SLOW_SECONDS = 1.0
MANY_CONTAINERS = 500
SMALLEST_SHM = 1024 * 1024
NETWORK_KINDS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph", "vboxsf")
READABLE_LOGS = ("json-file", "local", "journald")
SLOW_STORAGE = ("vfs", "devicemapper", "aufs", "overlay")
NO_JOB = "Every job fails in prepare."
DAEMON_FILE = "/etc/docker/daemon.json"
RESTART = "systemctl restart docker   # ends running jobs"
KERNEL_ROOM = "With the kernel built without it, or the controller off, a job can take the whole host down."


@check("docker.socket.present", "The Engine's socket is there")
def socket_present(scene: Scene) -> Verdict:
    """Of an Engine on this host."""
    path = _socket(scene)
    if not os.path.exists(path):
        return error(
            f"There is no {path}.",
            expected="the socket of a running Docker Engine",
            why=f"Docker is not installed or not started. {NO_JOB}",
            fix=("systemctl start docker", "apt-get install docker.io   # where it is not installed"),
        )
    if not stat.S_ISSOCK(os.stat(path).st_mode):
        return error(
            f"{path} is not a socket.",
            expected="the socket of a running Docker Engine",
            why=f"Something else made it while Docker was stopped. {NO_JOB}",
            fix=f"rm -r {path} && systemctl restart docker",
        )
    return passed(path)


@check("docker.socket.permission", "The account that runs jobs may use the Engine's socket")
def socket_permission(scene: Scene) -> Verdict:
    """As the running service may: a new group counts only after its restart."""
    path = _socket(scene)
    if not os.path.exists(path):
        raise Skip("there is no socket")
    if scene.world.may(path, os.R_OK | os.W_OK):
        return passed(path)
    name = scene.account.name
    return error(
        f"The service account {name} cannot open {path} ({_owner(path)}).",
        expected=f"{name} in the socket's group, also of the running service",
        why=NO_JOB,
        fix=f"usermod -aG {_group(path)} {name} && systemctl restart gitlab-runner",
    )


@check("docker.socket.mode", "Only root and one group may use the Engine's socket")
def socket_mode(scene: Scene) -> Verdict:
    """Who may write to it is root."""
    path = _socket(scene)
    if not os.path.exists(path):
        raise Skip("there is no socket")
    if not os.stat(path).st_mode & stat.S_IWOTH:
        return passed(_owner(path))
    return warning(
        f"{path} is open to every user of this host ({_owner(path)}).",
        expected="0660 root:docker",
        why="Whoever may use it can become root here, a process that leaves its sandbox included.",
        fix=f"chmod 660 {path}",
        repair=Repair(what=f"chmod 660 {path}", do=lambda: os.chmod(path, 0o660)),
    )


@check("docker.engine.local", "The Engine shares this host's folders")
def engine_local(scene: Scene) -> Verdict:
    """Sources and control folders are mounted from this host."""
    host = scene.endpoint.host
    if scene.endpoint.local or re.match(r"(tcp|https?)://(localhost|127\.|\[::1\])", host):
        return passed(host)
    return warning(
        f"The Engine is at {host}, on another host.",
        expected="an Engine of this host",
        why="The driver mounts folders of this host into jobs: an Engine elsewhere finds other ones there.",
        fix=f"run gitlab-runner on that host, or take `host` out of {scene.config} and DOCKER_HOST out of the service",
    )


@check("docker.engine.answers", "The Engine answers")
def engine_answers(scene: Scene) -> Verdict:
    """Any Engine, whatever it can do."""
    if scene.endpoint.local:
        path = _socket(scene)
        if not os.path.exists(path) or not stat.S_ISSOCK(os.stat(path).st_mode):
            raise Skip("there is no socket")
        if not os.access(path, os.R_OK | os.W_OK):
            raise Skip("its socket is closed to this account")
    try:
        version = scene.version
    except ExecutorError as failure:
        text = " ".join(part for part in (failure.what, failure.cause) if part)
        return error(
            text,
            expected=f"an answer to GET /version at {scene.endpoint.host} within 2 s",
            why=f"Docker is stopped, starting, or hangs. {NO_JOB}",
            fix=("systemctl status docker", "journalctl -u docker -n 50", "systemctl restart docker"),
        )
    if version.get("ApiVersion"):
        return passed(f"Docker {version.get('Version')}")
    return error(
        f"What answers at {scene.endpoint.host} is no Docker Engine.",
        expected="a Docker Engine",
        why=NO_JOB,
        fix="docker version   # then correct `host` in config.toml, or DOCKER_HOST",
    )


@check("docker.engine.latency", "The Engine answers quickly")
def engine_latency(scene: Scene) -> Verdict:
    """A job asks it some 40 times."""
    scene.answering_version()
    began = time.monotonic()
    scene.ask("/version")
    seconds = time.monotonic() - began
    if seconds < SLOW_SECONDS:
        return passed(f"{seconds * 1000:.0f} ms")
    return warning(
        f"The Engine took {seconds:.1f} s to tell its version.",
        expected=f"less than {SLOW_SECONDS:g} s",
        why="A job asks it some forty times: each job starts minutes late.",
        fix=("top; iostat -x 1 3   # what keeps the host busy", "docker ps -aq | wc -l"),
    )


@check("docker.engine.api", "The Engine's API is 1.41 or newer")
def engine_api(scene: Scene) -> Verdict:
    """The oldest that the driver speaks."""
    found = str(scene.answering_version().get("ApiVersion") or "0")
    if _numbers(found) >= OLDEST_API:
        return passed(found)
    return error(
        f"The Engine speaks API {found} (Docker {scene.version.get('Version')}).",
        expected="API 1.41, Docker 20.10 or newer",
        why="Containers, networks and pulls of jobs use calls that it does not know.",
        fix="apt-get install --only-upgrade docker.io   # or docker-ce; then systemctl restart docker",
    )


@check("docker.engine.version", "The Engine is Docker 20.10 or newer")
def engine_version(scene: Scene) -> Verdict:
    """Older ones get no more security fixes anywhere."""
    found = str(scene.answering_version().get("Version") or "")
    if _numbers(str(scene.version.get("ApiVersion") or "0")) < OLDEST_API:
        raise Skip("its API is too old already")
    if not re.match(r"\d+\.\d+", found) or _numbers(found) >= OLDEST_ENGINE:
        return passed(found)
    return error(
        f"The Engine is Docker {found}.",
        expected="20.10 or newer",
        why="It lacks what the driver needs (cgroup v2, host-gateway), and gets no security fixes.",
        fix="apt-get install --only-upgrade docker.io   # or docker-ce; then systemctl restart docker",
    )


@check("docker.engine.os", "The Engine runs Linux containers")
def engine_os(scene: Scene) -> Verdict:
    """Jobs' loops are shell programs."""
    found = str(scene.info.get("OSType") or "linux")
    if found == "linux":
        return passed()
    return error(
        f"The Engine runs {found} containers.", expected="linux", why=NO_JOB, fix="use a Docker Engine for Linux"
    )


@check("docker.engine.containerd", "The Engine has its containerd")
def engine_containerd(scene: Scene) -> Verdict:
    """Without it the Engine answers, and can start nothing."""
    components = [str(part.get("Name")) for part in scene.answering_version().get("Components") or []]
    if "Engine" not in components or "containerd" in components:
        return passed()
    return error(
        "The Engine cannot reach containerd.",
        expected="containerd among the components of `docker version`",
        why="It answers, but no container can be started.",
        fix="systemctl restart containerd docker",
    )


@check("docker.engine.warnings", "The Engine is open to nobody on the network")
def engine_exposed(scene: Scene) -> Verdict:
    """What it complains of itself."""
    told = [str(text) for text in scene.info.get("Warnings") or []]
    open_ones = [text for text in told if "without encryption" in text or "without authentication" in text.lower()]
    if not open_ones:
        return passed()
    return warning(
        f"The Engine says: {open_ones[0].removeprefix('WARNING: ')[:160]}",
        expected="a socket of this host alone, or TLS with client certificates",
        why="Whoever reaches that port is root on this host and reads every job's secrets.",
        fix=f"take the tcp:// address out of `hosts` in {DAEMON_FILE} (or of the unit), then {RESTART}",
    )


@check("docker.registries.insecure", "Images come from registries that prove who they are")
def insecure(scene: Scene) -> Verdict:
    """One registry without TLS in a network of one's own is the operator's to decide; all of them are not."""
    config = scene.info.get("RegistryConfig") or {}
    ranges = [str(each) for each in config.get("InsecureRegistryCIDRs") or []]
    names = [name for name, index in (config.get("IndexConfigs") or {}).items() if not index.get("Secure", True)]
    if {"0.0.0.0/0", "::/0"} & set(ranges):
        return warning(
            "The Engine takes images from any registry without TLS (insecure-registries 0.0.0.0/0).",
            expected="only registries of your own network, by name",
            why="Whoever is on the way can put another image in the place of the one that jobs ask for.",
            fix=(f"editor {DAEMON_FILE}   # insecure-registries", RESTART),
        )
    return note(f"Without TLS: {', '.join(names)}.") if names else passed()


@check("docker.service.enabled", "Docker starts with the host")
def service_enabled(scene: Scene) -> Verdict:
    """Only where systemd runs it."""
    if not scene.world.with_systemd() or not scene.endpoint.local:
        raise Skip("systemd does not run Docker here")
    states = [scene.world.run_as_caller(("systemctl", "is-enabled", unit)) for unit in ("docker", "docker.socket")]
    told = [state.output.strip() for state in states]
    if not set(told) & {"disabled", "masked"} or set(told) & {"enabled", "enabled-runtime", "static", "alias"}:
        return passed()
    return warning(
        f"The service docker is {told[0]}.",
        expected="enabled",
        why="After a reboot every job fails.",
        fix="systemctl unmask docker; systemctl enable docker",
    )


@check("docker.daemon.config", "daemon.json can be read by the Engine's next start")
def daemon_config(scene: Scene) -> Verdict:
    """A mistake in it shows only after a restart."""
    text = scene.world.read(DAEMON_FILE)
    if not text.strip():
        raise Skip(f"there is no {DAEMON_FILE}")
    try:
        if isinstance(json.loads(text), dict):
            return passed(DAEMON_FILE)
        problem = "it holds no object"
    except ValueError as failure:
        problem = str(failure)
    return warning(
        f"{DAEMON_FILE} is not JSON: {problem}.",
        expected="a JSON object",
        why="Docker runs on with what it read before, and does not come back after its next restart.",
        fix=f"python3 -m json.tool {DAEMON_FILE}",
    )


@check("docker.storage.driver", "Images and containers are stored as overlays")
def storage_driver(scene: Scene) -> Verdict:
    """Others copy whole images for each container, or are gone from newer Engines."""
    driver = str(scene.info.get("Driver") or "")
    if driver not in SLOW_STORAGE:
        return passed(driver)
    what = "copies the whole image for each container" if driver == "vfs" else "is slow and gone from newer Engines"
    return warning(
        f"The Engine's storage driver is {driver}.",
        expected="overlay2",
        why=f"It {what}: jobs start late and fill the disk.",
        fix=(f'set "storage-driver": "overlay2" in {DAEMON_FILE}', RESTART),
    )


@check("docker.storage.d_type", "The file system of the Engine's data knows file types")
def storage_d_type(scene: Scene) -> Verdict:
    """xfs without ftype cannot carry overlays."""
    status = {str(key).lower(): str(value).lower() for key, value in scene.info.get("DriverStatus") or []}
    if status.get("supports d_type", "true") == "true":
        return passed()
    return error(
        f"The file system of {scene.info.get('DockerRootDir')} does not support d_type.",
        expected="ext4, or xfs made with ftype=1",
        why="Files that a job deletes come back: builds fail in strange ways.",
        fix="mkfs.xfs -n ftype=1 on a new disk, and move Docker's data there",
    )


@check("docker.storage.filesystem", "The Engine's data is on a disk of this host")
def storage_filesystem(scene: Scene) -> Verdict:
    """Overlays on network file systems lose file attributes."""
    mount = scene.world.mount(scene.docker_root)
    if not mount or mount.kind not in NETWORK_KINDS:
        return passed(mount.kind if mount else "")
    return warning(
        f"{scene.docker_root} is on {mount.kind} ({mount.target}).",
        expected="ext4, xfs or another disk of this host",
        why="Containers start slowly, and programs fail on file attributes and locks.",
        fix=(f'set "data-root" in {DAEMON_FILE} to a folder on a disk of this host', RESTART),
    )


@check("docker.storage.images", "The Engine can list its images")
def storage_images(scene: Scene) -> Verdict:
    """A broken image store shows here first."""
    try:
        count = len(scene.ask("/images/json") or [])
    except EngineError as failure:
        return error(
            f"The Engine cannot list its images: {failure.message[:200]}",
            expected="a list of images",
            why="Its image store is damaged. Pulls fail, and containers cannot be made.",
            fix=("journalctl -u docker -n 50", RESTART),
        )
    return passed(f"{count} images")


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


@check("docker.volumes.driver", "The volume driver is known to the Engine")
def volume_driver(scene: Scene) -> Verdict:
    """`volume_driver` of config.toml."""
    wanted = scene.settings.docker.volume_driver
    known = (scene.info.get("Plugins") or {}).get("Volume") or []
    if not wanted or wanted in known:
        return passed(wanted)
    return error(
        f"The volume driver {wanted} is unknown to the Engine, which has {', '.join(known)}.",
        expected="one of them",
        why="Jobs whose project keeps a volume fail in prepare.",
        fix=f"docker plugin install {wanted}   # or correct volume_driver in {scene.config}",
    )


@check("docker.volumes.sources", "Host folders that jobs get are there")
def volume_sources(scene: Scene) -> Verdict:
    """Docker would make an empty folder of root's in place of one that is missing."""
    volumes = (*scene.settings.docker.volumes, *scene.settings.helper.volumes)
    sources = [volume.split(":")[0] for volume in volumes if volume.startswith("/") and ":/" in volume]
    missing = [source for source in sources if "$" not in source and not os.path.exists(source)]
    if not missing:
        return passed()
    return warning(
        f"volumes names {missing[0]}, which this host does not have.",
        expected="folders and files that are there",
        why="Docker makes an empty folder of root's there: jobs find nothing in it.",
        fix=f"mkdir -p {missing[0]}   # or take it out of volumes in {scene.config}",
    )


@check("docker.devices.present", "Devices that jobs get are there")
def devices(scene: Scene) -> Verdict:
    """`devices` of config.toml."""
    named = [device.split(":")[0] for device in scene.settings.docker.devices]
    missing = [path for path in named if path.startswith("/") and not os.path.exists(path)]
    if not missing:
        return passed()
    return error(
        f"devices names {missing[0]}, which this host does not have.",
        expected="devices that are there",
        why="No container of a job can be started.",
        fix=f"ls -l {missing[0]}; modprobe its driver, or take it out of devices in {scene.config}",
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


@check("docker.logs.driver", "What services write can be read again")
def log_driver(scene: Scene) -> Verdict:
    """For the reasons of failures, and for CI_DEBUG_SERVICES."""
    driver = str(scene.info.get("LoggingDriver") or "json-file")
    if driver in READABLE_LOGS:
        return passed(driver)
    return warning(
        f"The Engine's logging driver is {driver}.",
        expected=", ".join(READABLE_LOGS),
        why="The driver cannot show what a service wrote before it failed.",
        fix=(f'set "log-driver": "local" in {DAEMON_FILE}', RESTART),
    )


@check("docker.containers.many", "The Engine holds no crowd of containers")
def containers_many(scene: Scene) -> Verdict:
    """Each makes every list slower."""
    count = int(scene.info.get("Containers") or 0)
    if count < MANY_CONTAINERS:
        return passed(f"{count} containers")
    return warning(
        f"The Engine holds {count} containers, {scene.info.get('ContainersStopped', 0)} of them stopped.",
        expected=f"less than {MANY_CONTAINERS}",
        why="Their file systems fill the disk, and each makes every call of the Engine slower.",
        fix=("executor gc   # those of this driver", "docker ps -a   # whose the others are"),
    )


@check("docker.live_restore", "Jobs outlive a restart of the Engine")
def live_restore(scene: Scene) -> Verdict:
    """Worth knowing before an update."""
    if scene.info.get("LiveRestoreEnabled"):
        return passed()
    return note(
        "A restart of the Engine ends running jobs (live-restore is off).",
        fix=f'set "live-restore": true in {DAEMON_FILE}, then systemctl reload docker',
    )


def _socket(scene: Scene) -> str:
    """The path of the Engine's socket; Skip where it is reached otherwise."""
    if not scene.endpoint.local:
        raise Skip("the Engine is reached over the network")
    return scene.endpoint.host.removeprefix("unix://")


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


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _owner(path: str) -> str:
    status = os.stat(path)
    return f"{stat.S_IMODE(status.st_mode):04o} {_user(status.st_uid)}:{_group(path)}"


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(path: str) -> str:
    import grp

    gid: Any = os.stat(path).st_gid
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
