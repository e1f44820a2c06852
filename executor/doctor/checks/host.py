"""The machine: memory, load, files, kernel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from executor.doctor.checks.words import size
from executor.doctor.model import Skip, Verdict, check, error, note, passed, warning

if TYPE_CHECKING:
    from executor.doctor.scene import Scene

LITTLE_MEMORY, NO_MEMORY = 0.10, 0.03
BUSY_LOAD = 8
OLDEST_KERNEL = (4, 18)
NO_ENTROPY_KERNEL = (5, 18)
LITTLE_ENTROPY = 64
NEARLY_ALL = 0.9
FEWEST_WATCHES = 8192
FEWEST_INSTANCES = 64


@check("host.memory.available", "There is memory left for a job")
def memory_available(scene: Scene) -> Verdict:
    """What the kernel says it could give."""
    values = meminfo(scene)
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


@check("host.load", "This host is not busy beyond measure")
def load(scene: Scene) -> Verdict:
    """Over five minutes."""
    last, five_minutes, _ = _loads(scene)
    bound = BUSY_LOAD * scene.world.cpus()
    if min(last, five_minutes) <= bound:
        return passed(f"{five_minutes:.2f}")
    return warning(
        f"The load is {five_minutes:.2f} over five minutes on {scene.world.cpus()} CPUs.",
        expected=f"{bound} or less",
        why="Jobs run many times slower than they could, and into time-outs.",
        fix=("top", f"editor {scene.config}   # lower concurrent"),
    )


@check("host.files.open", "This host can open more files")
def files_open(scene: Scene) -> Verdict:
    """fs.file-max, of all processes together."""
    words = scene.world.read("/proc/sys/fs/file-nr").split()
    if len(words) != 3 or not all(map(str.isdigit, words)) or int(words[0]) < int(words[2]) * NEARLY_ALL:
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
    for name, fewest, right in (("watches", FEWEST_WATCHES, 524_288), ("instances", FEWEST_INSTANCES, 512)):
        found = scene.world.read(f"/proc/sys/fs/inotify/max_user_{name}").strip()
        if found.isdigit() and int(found) < fewest:
            return warning(
                f"fs.inotify.max_user_{name} is {found}.",
                expected=f"{fewest} or more",
                why="Node.js and test watchers of jobs end with ENOSPC or EMFILE.",
                fix=f"sysctl -w fs.inotify.max_user_{name}={right}",
            )
    return passed()


@check("host.processes.room", "This host can start more processes")
def processes_room(scene: Scene) -> Verdict:
    """kernel.pid_max and threads-max, of all processes together."""
    running = _loads(scene)[2]
    bounds = [scene.world.read(f"/proc/sys/kernel/{name}").strip() for name in ("pid_max", "threads-max")]
    numbers = [int(bound) for bound in bounds if bound.isdigit()]
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


def _loads(scene: Scene) -> tuple[float, float, int]:
    """The load of the last minute and of five, and how many threads there are."""
    found = re.match(r"(\d+\.\d+) (\d+\.\d+) \S+ \d+/(\d+)", scene.world.read("/proc/loadavg"))
    if not found:
        raise Skip("/proc/loadavg does not tell")
    return float(found[1]), float(found[2]), int(found[3])


def meminfo(scene: Scene) -> dict[str, int]:
    """Bytes by the kernel's names."""
    rows = [line.replace(":", " ").split() for line in scene.world.read("/proc/meminfo").splitlines()]
    return {row[0]: int(row[1]) * 1024 for row in rows if len(row) > 1 and row[1].isdigit()}


def _release(text: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (99, 0)
