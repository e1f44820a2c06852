"""The machine: disks, memory, kernel, clock."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from typing import TYPE_CHECKING

from executor.doctor.checks.words import size
from executor.doctor.model import Repair, Skip, Verdict, check, error, note, passed, warning

if TYPE_CHECKING:
    from executor.doctor.scene import Scene
    from executor.doctor.world import Space

GIB = 1024**3
MIB = 1024**2
# Free space: an absolute amount, and a share for disks that are small altogether.
LITTLE_SPACE, LITTLE_SHARE = 5 * GIB, 0.10
NO_SPACE, NO_SHARE = GIB, 0.02
LITTLE_INODES, NO_INODES = 0.05, 0.01
LITTLE_MEMORY, NO_MEMORY = 0.10, 0.03
BUSY_LOAD = 8
OLDEST_KERNEL = (4, 18)
NO_ENTROPY_KERNEL = (5, 18)
LITTLE_ENTROPY = 64
SKEW_WARNING_SECONDS, SKEW_ERROR_SECONDS = 60, 300
FUTURE_SECONDS = 600
# Folders of any host that change often.
LIVELY = ("/var/log", "/run", "/etc")
NEARLY_ALL = 0.9
OLD_SECONDS = 172_800
FEWEST_WATCHES = 8192
STICKY_OPEN = 0o1777
NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph", "vboxsf")
CLEAN_UP = ("executor gc --older-than 7d", "docker system df", "docker image prune   # images without a name")


def folders(scene: Scene) -> dict[str, str]:
    """The folders that jobs fill, by what they are."""
    found = {
        "state": scene.state_dir,
        "builds": scene.builds_dir,
        "archives": scene.cache_dir,
        "caches": scene.cache_store,
        "the runner's TMPDIR": scene.temporary_dir,
    }
    with contextlib.suppress(Skip):
        found["Docker's data"] = scene.docker_root
    return found


@check("host.disk.space", "There is room where jobs work")
def disk_space(scene: Scene) -> Verdict:
    """Of each file system once."""
    worst, low = "ok", []
    for path, users, space in _file_systems(scene):
        if space.free < min(NO_SPACE, space.total * NO_SHARE):
            worst = "error"
        elif space.free < min(LITTLE_SPACE, space.total * LITTLE_SHARE):
            worst = "error" if worst == "error" else "warning"
        else:
            continue
        low.append(f"{size(space.free)} of {size(space.total)} left at {path} ({users})")
    if not low:
        return passed()
    verdict = error if worst == "error" else warning
    return verdict(
        "; ".join(low) + ".",
        expected=f"{size(LITTLE_SPACE)}, or a tenth of a small disk",
        why="`no space left on device`: pulls, clones, caches and builds fail half way.",
        fix=CLEAN_UP,
    )


@check("host.disk.inodes", "There are inodes left where jobs work")
def disk_inodes(scene: Scene) -> Verdict:
    """A disk with room can be full all the same: of files."""
    worst, low = "ok", []
    for path, users, space in _file_systems(scene):
        share = space.inodes_free / space.inodes if space.inodes else 1.0
        if share < LITTLE_INODES:
            worst = "error" if share < NO_INODES or worst == "error" else "warning"
            low.append(f"{space.inodes_free} of {space.inodes} inodes left at {path} ({users})")
    if not low:
        return passed()
    verdict = error if worst == "error" else warning
    return verdict(
        "; ".join(low) + ".",
        expected="5 % or more",
        why="`no space left on device` with room on the disk: no file can be made.",
        fix=("executor gc --older-than 7d", "du --inodes -x -d2 / | sort -n | tail   # where the files are"),
    )


@check("host.disk.readonly", "The file systems that jobs work on can be written")
def disk_readonly(scene: Scene) -> Verdict:
    """A disk with errors is mounted anew, read-only."""
    for use, path in folders(scene).items():
        mount = scene.world.mount(path)
        if mount and "ro" in mount.options and "rw" not in mount.options:
            return _readonly(use, path, mount.target)
        if mount and {"ro", "rw"} <= mount.options:
            return _readonly(use, path, mount.target)
    return passed()


def _readonly(use: str, path: str, target: str) -> Verdict:
    return error(
        f"{target} is mounted read-only; {path} ({use}) is on it.",
        expected="a mount that can be written",
        why="Nothing can be made there: every job fails in prepare.",
        fix=("dmesg | tail -50   # errors of the disk?", f"mount -o remount,rw {target}"),
    )


@check("host.disk.noexec", "Programs may be run from where jobs work")
def disk_noexec(scene: Scene) -> Verdict:
    """Containers inherit the option with the mounted folder."""
    for use, path in folders(scene).items():
        mount = scene.world.mount(path)
        if mount and "noexec" in mount.options:
            temporary = path == scene.temporary_dir
            return (warning if temporary else error)(
                f"{mount.target} is mounted noexec; {path} ({use}) is on it.",
                expected="a mount with exec",
                why="Wrappers that gitlab-runner or you put there do not run."
                if temporary
                else "Jobs cannot run programs that they build: `permission denied`.",
                fix=f"mount -o remount,exec {mount.target}   # and in /etc/fstab",
            )
    return passed()


@check("host.tmp.leftovers", "The runner's folders for jobs go with the jobs")
def tmp_leftovers(scene: Scene) -> Verdict:
    """What a killed runner leaves; each holds a job's variables."""
    found = [path for path in glob.glob(f"{scene.temporary_dir}/custom-executor*") if _is_old(scene, path)]
    if not found:
        return passed()
    return warning(
        f"{len(found)} folders of jobs of two days ago or before are left: {found[0]}"
        f"{' ...' if len(found) > 1 else ''}.",
        expected="none older than two days",
        why="They hold the variables and tokens of those jobs, and take room.",
        fix=f"find {scene.temporary_dir} -maxdepth 1 -name 'custom-executor*' -mtime +1 -exec rm -r {{}} +",
    )


def _is_old(scene: Scene, path: str) -> bool:
    return scene.world.now() - scene.world.modified(path) > OLD_SECONDS


@check("host.tmp.writable", "The runner can make its folders for jobs")
def tmp_writable(scene: Scene) -> Verdict:
    """TMPDIR of the service, else /tmp."""
    path = scene.temporary_dir
    if not os.path.isdir(path):
        found = f"TMPDIR of the service is {path}, which is not there."
        return error(found, expected="a folder", why=_NO_TMP, fix=f"mkdir -m 1777 {path}   # or unset TMPDIR")
    if not scene.world.may(path, os.W_OK | os.X_OK):
        return _closed_tmp(scene, path)
    loose = os.stat(path).st_mode
    if loose & 0o002 and not loose & 0o1000:
        return warning(
            f"{path} is {loose & 0o7777:04o}: every user may replace the files of others.",
            expected="1777",
            why="The runner's scripts lie there, with the jobs' secrets.",
            fix=f"chmod 1777 {path}",
            repair=Repair(what=f"chmod 1777 {path}", do=lambda: os.chmod(path, STICKY_OPEN)),
        )
    return passed(path)


def _closed_tmp(scene: Scene, path: str) -> Verdict:
    shared = path in ("/tmp", "/var/tmp")  # noqa: S108 (compared only)
    repair = Repair(what=f"chmod 1777 {path}", do=lambda: os.chmod(path, STICKY_OPEN)) if shared else None
    return error(
        f"{scene.account.name} may not write in {path} ({os.stat(path).st_mode & 0o7777:04o}).",
        expected="1777" if shared else f"a folder of {scene.account.name}",
        why=_NO_TMP,
        fix=f"chmod 1777 {path}" if shared else f"chown {scene.account.name} {path}",
        repair=repair,
    )


_NO_TMP = "gitlab-runner makes a folder there for every attempt at a job: each fails before the driver is called."


@check("host.memory.available", "There is memory left for a job")
def memory_available(scene: Scene) -> Verdict:
    """What the kernel says it could give."""
    values = _meminfo(scene)
    total, available = values.get("MemTotal", 0), values.get("MemAvailable", 0)
    if not total or "MemAvailable" not in values:
        raise Skip("/proc/meminfo does not tell")
    if available >= total * LITTLE_MEMORY:
        return passed(f"{size(available)} of {size(total)}")
    verdict = error if available < total * NO_MEMORY else warning
    return verdict(
        f"{size(available)} of {size(total)} of memory are available.",
        expected="a tenth or more",
        why="The kernel kills processes of jobs, or of the host, to get on.",
        fix=("executor ps   # what jobs use", "ps aux --sort=-rss | head"),
    )


@check("host.memory.overcommit", "The kernel gives processes memory as usual")
def memory_overcommit(scene: Scene) -> Verdict:
    """vm.overcommit_memory."""
    if scene.world.read("/proc/sys/vm/overcommit_memory").strip() != "2":
        return passed()
    return warning(
        "vm.overcommit_memory is 2.",
        expected="0 or 1",
        why="Large programs of jobs (Java, Node.js, Go) cannot start or fork with much memory still free.",
        fix="sysctl -w vm.overcommit_memory=0",
    )


@check("host.capacity.memory", "The jobs that may run at a time fit into this host's memory")
def capacity_memory(scene: Scene) -> Verdict:
    """`concurrent` times `memory`."""
    from executor.settings.units import parse_bytes

    limit = scene.settings.docker.memory
    total = _meminfo(scene).get("MemTotal", 0)
    if not limit or not total:
        raise Skip("no memory limit is set" if total else "/proc/meminfo does not tell")
    wanted = scene.concurrent * parse_bytes(limit)
    if wanted <= total:
        return passed(f"{scene.concurrent} x {limit}")
    fitting = total // parse_bytes(limit)
    return warning(
        f"{scene.concurrent} jobs at a time with {limit} each may take {size(wanted)}; this host has {size(total)}.",
        expected="`concurrent` times `memory` within the host's memory",
        why="When jobs use what they may, the kernel kills processes of jobs that did nothing wrong.",
        fix=f"editor {scene.config}   # concurrent = {max(1, fitting)}"
        if fitting
        else f'editor {scene.config}   # memory = "{total // GIB or 1}g"',
    )


@check("host.capacity.cpus", "This host has the CPUs that jobs are promised")
def capacity_cpus(scene: Scene) -> Verdict:
    """The Engine refuses containers with more CPUs than there are."""
    from executor.settings.units import parse_cpus

    have = scene.world.cpus()
    docker = scene.settings.docker
    for key, cpus in (("cpus", docker.cpus), ("service_cpus", docker.service_cpus)):
        if cpus and parse_cpus(cpus) > have * 10**9:
            return error(
                f'{key} = "{cpus}", and this host has {have}.',
                expected=f"{have} or less",
                why="The Engine refuses such a container: every job fails in prepare.",
                fix=f'editor {scene.config}   # {key} = "{have}"',
            )
    for key, numbers in (("cpuset_cpus", docker.cpuset_cpus), ("service_cpuset_cpus", docker.service_cpuset_cpus)):
        if any(int(number) >= have for number in re.findall(r"\d+", numbers)):
            return error(
                f'{key} = "{numbers}", and this host has CPUs 0 to {have - 1}.',
                expected=f"numbers up to {have - 1}",
                why="The Engine refuses such a container: every job fails in prepare.",
                fix=f'editor {scene.config}   # {key} = "0-{have - 1}"',
            )
    return passed(f"{have} CPUs")


@check("host.capacity.concurrent", "The jobs that may run at a time do not crowd out each other")
def capacity_concurrent(scene: Scene) -> Verdict:
    """Many more jobs than CPUs."""
    have = scene.world.cpus()
    if scene.concurrent <= BUSY_LOAD * have:
        return passed(f"{scene.concurrent} jobs at a time on {have} CPUs")
    return warning(
        f"concurrent allows {scene.concurrent} jobs at a time on {have} CPUs.",
        expected=f"{BUSY_LOAD * have} or less",
        why="Each job gets so little time that scripts and services run into their time-outs.",
        fix=f"editor {scene.config}   # concurrent = {2 * have}",
    )


@check("host.load", "This host is not busy beyond measure")
def load(scene: Scene) -> Verdict:
    """Over five minutes."""
    words = scene.world.read("/proc/loadavg").split()
    if len(words) < 2:
        raise Skip("/proc/loadavg does not tell")
    bound = BUSY_LOAD * scene.world.cpus()
    if min(float(words[0]), float(words[1])) <= bound:
        return passed(words[1])
    return warning(
        f"The load is {words[1]} over five minutes on {scene.world.cpus()} CPUs.",
        expected=f"{bound} or less",
        why="Jobs run many times slower than they could, and into time-outs.",
        fix=("top", f"editor {scene.config}   # lower concurrent"),
    )


@check("host.files.open", "This host can open more files")
def files_open(scene: Scene) -> Verdict:
    """fs.file-max, of all processes together."""
    words = scene.world.read("/proc/sys/fs/file-nr").split()
    if len(words) != 3 or int(words[0]) < int(words[2]) * NEARLY_ALL:
        return passed()
    return error(
        f"{words[0]} files are open of {words[2]} that this host allows (fs.file-max).",
        expected="less than nine tenths",
        why="`too many open files in system`: anything may fail at any time.",
        fix=("sysctl -w fs.file-max=1000000", "lsof | awk '{print $1}' | sort | uniq -c | sort -n | tail"),
    )


@check("host.files.watches", "Jobs can watch files")
def files_watches(scene: Scene) -> Verdict:
    """inotify is shared by all containers of a host."""
    found = scene.world.read("/proc/sys/fs/inotify/max_user_watches").strip()
    if not found.isdigit() or int(found) >= FEWEST_WATCHES:
        return passed(found)
    return warning(
        f"fs.inotify.max_user_watches is {found}.",
        expected=f"{FEWEST_WATCHES} or more",
        why="Node.js and test watchers of jobs end with ENOSPC.",
        fix="sysctl -w fs.inotify.max_user_watches=524288",
    )


@check("host.processes.room", "This host can start more processes")
def processes_room(scene: Scene) -> Verdict:
    """kernel.pid_max and threads-max, of all processes together."""
    words = scene.world.read("/proc/loadavg").split()
    bounds = [scene.world.read(f"/proc/sys/kernel/{name}").strip() for name in ("pid_max", "threads-max")]
    numbers = [int(bound) for bound in bounds if bound.isdigit()]
    running = int(words[3].partition("/")[2]) if len(words) > 3 else 0
    if not numbers or running < min(numbers) * NEARLY_ALL:
        return passed(f"{running} threads")
    return error(
        f"{running} processes and threads run of {min(numbers)} that this host allows.",
        expected="less than nine tenths",
        why="`fork: resource temporarily unavailable`: anything may fail at any time.",
        fix=("sysctl -w kernel.pid_max=4194304", "ps -eLo comm | sort | uniq -c | sort -n | tail"),
    )


@check("host.kernel.version", "The kernel is 4.18 or newer")
def kernel_version(scene: Scene) -> Verdict:
    """Older ones lack what containers of today expect."""
    release = scene.world.kernel()
    if _release(release) >= OLDEST_KERNEL:
        return passed(release)
    return warning(
        f"The kernel is {release}.",
        expected="4.18 or newer",
        why="Images of today use system calls that it does not know, and overlays have faults in it.",
        fix="update the operating system: Ubuntu 22.04 or Debian 12 and newer",
    )


@check("host.kernel.overlay", "The kernel knows overlays")
def kernel_overlay(scene: Scene) -> Verdict:
    """Built in or as a module."""
    release = scene.world.kernel()
    places = [
        scene.world.read("/proc/filesystems"),
        scene.world.read(f"/lib/modules/{release}/modules.builtin"),
        scene.world.read(f"/lib/modules/{release}/modules.dep"),
    ]
    if re.search(r"\boverlay(\.ko)?\b", "\n".join(places)):
        return passed()
    return error(
        f"The kernel {release} has no overlay file system.",
        expected="overlay in /proc/filesystems",
        why="The Engine cannot store containers, and caches cannot be mounted.",
        fix="modprobe overlay   # after a kernel update: reboot",
    )


@check("host.clock.skew", "The clock is right")
def clock_skew(scene: Scene) -> Verdict:
    """Compared with GitLab's."""
    there = _date(scene.gitlab_answer().headers.get("date", ""))
    if there is None:
        raise Skip("GitLab does not tell the time")
    skew = scene.world.now() - there
    if abs(skew) < SKEW_WARNING_SECONDS:
        return passed(f"{abs(skew):.0f} s")
    return (error if abs(skew) >= SKEW_ERROR_SECONDS else warning)(
        f"This host's clock is {_span(abs(skew))} {'ahead of' if skew > 0 else 'behind'} GitLab's.",
        expected=f"less than {SKEW_WARNING_SECONDS} s",
        why="Certificates and signed addresses (S3, artifacts, registries) count as expired or not yet valid.",
        fix=("timedatectl set-ntp true", "chronyc makestep   # where chrony keeps the time"),
    )


@check("host.clock.past", "The clock has not gone back")
def clock_past(scene: Scene) -> Verdict:
    """Files that were written in the future."""
    places = (scene.config, scene.state_dir, f"{scene.state_dir}/jobs", scene.temporary_dir, *LIVELY)
    written = max(map(scene.world.modified, (*places, __file__)))
    if written - scene.world.now() < FUTURE_SECONDS:
        return passed()
    return error(
        f"Files of this host were written {_span(written - scene.world.now())} after what the clock shows now.",
        expected="the time of day",
        why="Certificates count as not yet valid, and times of jobs make no sense.",
        fix="timedatectl set-ntp true",
    )


@check("host.clock.hardware", "The system's clock and the machine's agree")
def clock_hardware(scene: Scene) -> Verdict:
    """A clock that somebody has set wrong shows here, without asking anybody."""
    told = scene.world.read("/sys/class/rtc/rtc0/since_epoch").strip()
    if not told.isdigit() or "LOCAL" in scene.world.read("/etc/adjtime"):
        raise Skip("the machine has no clock in UTC")
    skew = scene.world.now() - int(told)
    if abs(skew) < SKEW_ERROR_SECONDS:
        return passed(f"{abs(skew):.0f} s")
    return warning(
        f"The system's clock is {_span(abs(skew))} {'ahead of' if skew > 0 else 'behind'} the machine's.",
        expected="the same time",
        why="One of them is wrong: certificates and signed addresses count as expired, now or after a reboot.",
        fix=("date -u; hwclock --show --utc", "timedatectl set-ntp true && hwclock --systohc"),
    )


@check("host.clock.sync", "Something keeps the clock right")
def clock_sync(scene: Scene) -> Verdict:
    """As systemd sees it; elsewhere the comparison with GitLab has to do."""
    if not scene.world.with_systemd():
        raise Skip("systemd does not run this host")
    ran = scene.world.run_as_caller(("timedatectl", "show", "-p", "NTP", "-p", "NTPSynchronized", "-p", "CanNTP"))
    values = dict(line.split("=", 1) for line in ran.output.splitlines() if "=" in line)
    if ran.code != 0 or values.get("NTPSynchronized") == "yes" or values.get("NTP") == "yes":
        return passed()
    return warning(
        "Nothing keeps the clock right (NTP is off, and the clock not synchronised).",
        expected="NTP=yes in `timedatectl show`",
        why="Sooner or later certificates and signed addresses count as expired.",
        fix=("apt-get install systemd-timesyncd   # or chrony", "timedatectl set-ntp true"),
    )


@check("host.entropy", "The kernel has random numbers")
def entropy(scene: Scene) -> Verdict:
    """Since 5.18 it never waits for them."""
    found = scene.world.read("/proc/sys/kernel/random/entropy_avail").strip()
    if _release(scene.world.kernel()) >= NO_ENTROPY_KERNEL or not found.isdigit() or int(found) >= LITTLE_ENTROPY:
        return passed()
    return warning(
        f"The kernel has {found} bits of entropy.",
        expected=f"{LITTLE_ENTROPY} or more",
        why="TLS and ssh of jobs wait for random numbers.",
        fix="apt-get install rng-tools5   # or haveged",
    )


@check("host.connections", "The firewall can follow more connections")
def connections(scene: Scene) -> Verdict:
    """nf_conntrack."""
    names = ("nf_conntrack_count", "nf_conntrack_max")
    count, most = (scene.world.read(f"/proc/sys/net/netfilter/{name}").strip() for name in names)
    if not count.isdigit() or not most.isdigit() or int(count) < int(most) * NEARLY_ALL:
        return passed()
    return error(
        f"{count} connections are followed of {most} (nf_conntrack_max).",
        expected="less than nine tenths",
        why="The kernel drops packets of new connections: jobs hang or fail at random.",
        fix=f"sysctl -w net.netfilter.nf_conntrack_max={int(most) * 4}",
    )


@check("host.selinux", "SELinux lets jobs have their folders")
def selinux(scene: Scene) -> Verdict:
    """Only where it is enforced, and Docker takes part."""
    enforcing = scene.world.read("/sys/fs/selinux/enforce").strip() == "1"
    if not enforcing:
        return passed()
    labelled = any("name=selinux" in str(option) for option in scene.info.get("SecurityOptions") or [])
    disabled = any("label" in option and "disable" in option for option in scene.settings.docker.security_opt)
    if not labelled or disabled:
        return passed()
    return warning(
        "SELinux is enforced for containers.",
        expected='security_opt = ["label=disable"], or labels on the driver\'s folders',
        why="Containers may not enter the folders that the driver mounts: stages fail with `permission denied`.",
        fix=f'editor {scene.config}   # security_opt = ["label=disable"] under [runners.docker]',
    )


@check("host.reboot", "No update waits for a reboot")
def reboot(scene: Scene) -> Verdict:
    """Worth knowing."""
    if not scene.world.read("/var/run/reboot-required"):
        return passed()
    return note("An update of the system waits for a reboot.", fix="let jobs end, then reboot")


def _file_systems(scene: Scene) -> list[tuple[str, str, Space]]:
    """Each file system that jobs fill: a path on it, what uses it, and its room."""
    found: dict[int, tuple[str, list[str], Space]] = {}
    for use, path in folders(scene).items():
        space = scene.world.space(path)
        if space and space.total:
            found.setdefault(space.device, (path, [], space))[1].append(use)
    return [(path, ", ".join(users), space) for path, users, space in found.values()]


def _meminfo(scene: Scene) -> dict[str, int]:
    """Bytes by the kernel's names."""
    rows = [line.replace(":", " ").split() for line in scene.world.read("/proc/meminfo").splitlines()]
    return {row[0]: int(row[1]) * 1024 for row in rows if len(row) > 1 and row[1].isdigit()}


def _release(text: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (99, 0)


def _date(text: str) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return None


def _span(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.0f} h"
    )
