"""What one container has used, read from its control group and its network at a moment.

Counters grow from the container's start: seconds, bytes and counts by the names of the fields of `Used`. One that this
host does not have is left out, never 0.
"""

from __future__ import annotations

from executor.usage.cgroups import PROC, OpenFile, field, keyed_sum, number, read_file
from executor.usage.model import Limits, Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.usage.cgroups import Group

Counters = dict[str, float]

MICRO = 1e-6
NANO = 1e-9
TICK = 0.01
KIBIBYTE = 1024
# A limit of v1 that is none: the largest number of pages.
UNLIMITED = 1 << 60
MOST_PROCESSES = 256
TOP = 5
PRESSURES = ("cpu", "memory", "io")

# By version: the controller and the name of each file.
FILES: Mapping[int, Mapping[str, tuple[str, str]]] = {
    2: {
        "current": ("memory", "memory.current"),
        "stat": ("memory", "memory.stat"),
        "peak": ("memory", "memory.peak"),
        "oom": ("memory", "memory.events"),
        "cpu": ("cpu", "cpu.stat"),
        "throttling": ("cpu", "cpu.stat"),
        "io": ("io", "io.stat"),
        "pids": ("pids", "pids.current"),
        "pids_peak": ("pids", "pids.peak"),
    },
    1: {
        "current": ("memory", "memory.usage_in_bytes"),
        "stat": ("memory", "memory.stat"),
        "peak": ("memory", "memory.max_usage_in_bytes"),
        "oom": ("memory", "memory.oom_control"),
        "cpu": ("cpuacct", "cpuacct.usage"),
        "ticks": ("cpuacct", "cpuacct.stat"),
        "throttling": ("cpu", "cpu.stat"),
        "io": ("blkio", "blkio.throttle.io_service_bytes_recursive"),
        "pids": ("pids", "pids.current"),
        "pids_peak": ("pids", "pids.peak"),
    },
}
# Of memory.stat: what the page cache could give back, then what processes hold themselves.
IDLE_CACHE = {2: b"inactive_file", 1: b"total_inactive_file"}
HELD = {2: (b"anon", b"shmem"), 1: (b"total_rss", b"total_shmem")}


class Sample:
    """A look at one container: bytes, CPU seconds since its start, a count; None is unknown."""

    def __init__(
        self, working_set: int | None, anon: int | None, cpu_seconds: float | None, processes: int | None
    ) -> None:
        self.working_set = working_set
        self.anon = anon
        self.cpu_seconds = cpu_seconds
        self.processes = processes


class Meter:
    """The open files of one living container. `pid` is its first process.

    `network` tells whether its network is counted here: of containers that share one, one does.
    """

    def __init__(self, group: Group, pid: int, *, network: bool, proc: str = PROC) -> None:
        self.group = group
        self._proc = proc
        self._files = {key: OpenFile(group.path(*place)) for key, place in FILES[group.version].items()}
        self._pressure = {name: OpenFile(f"{group.unified}/{name}.pressure") for name in PRESSURES}
        self._unified_cpu = OpenFile(f"{group.unified}/cpu.stat")
        self._network = OpenFile(f"{proc}/{pid}/net/dev" if network else "")

    def sample(self) -> Sample:
        """What changes from moment to moment; `Gone` where the container has ended."""
        version = self.group.version
        current, stat = number(self._read("current")), self._read("stat")
        idle = field(stat, IDLE_CACHE[version])
        held = [field(stat, name) for name in HELD[version]]
        return Sample(
            working_set=None if current is None or idle is None else max(0, current - idle),
            anon=sum(value or 0 for value in held) if held[0] is not None else None,
            cpu_seconds=self._cpu_seconds(),
            processes=number(self._read("pids")),
        )

    def counters(self) -> Counters:
        """All that only grows; `Gone` where the container has ended."""
        found: dict[str, float | None] = {
            "cpu_seconds": self._cpu_seconds(),
            **self._modes(),
            **self._throttling(),
            "oom_kills": field(self._read("oom"), b"oom_kill"),
            **self._input_and_output(),
            **_network_bytes(self._network.read()),
            **{f"pressure_{name}_seconds": _stalled(file.read()) for name, file in self._pressure.items()},
        }
        return {name: value for name, value in found.items() if value is not None}

    def peaks(self) -> dict[str, int | None]:
        """The kernel's own maxima over the container's life: bytes with page cache, and a count of processes."""
        return {
            "memory_kernel_peak": number(self._read("peak")),
            "processes_peak": number(self._read("pids_peak")),
        }

    def limits(self) -> Limits:
        """What the container may use."""
        return Limits(memory=_memory_limit(self.group, self._read("stat")), cpus=_cpu_limit(self.group))

    def top_processes(self) -> list[Process]:
        """The processes that hold the most memory now, the largest first."""
        found = []
        for count, pid in enumerate(self.group.processes()):
            process = _process(f"{self._proc}/{pid}")
            if process:
                found.append(process)
            if count == MOST_PROCESSES:
                break
        return sorted(found, key=lambda one: -one.memory)[:TOP]

    @property
    def oom_file(self) -> str:
        """The file that counts the kernel's kills, as a line `oom_kill N`."""
        return self.group.path(*FILES[self.group.version]["oom"])

    def missing(self) -> list[str]:
        """What this host does not tell, in words."""
        return [
            *([] if self._files["peak"].exists else ["the kernel's memory peak"]),
            *([] if all(file.exists for file in self._pressure.values()) else ["pressure"]),
            *([] if self._files["io"].exists and self.group.version == 2 else ["disk reads and writes"]),
        ]

    def close(self) -> None:
        """Give all descriptors back."""
        for file in (*self._files.values(), *self._pressure.values(), self._unified_cpu, self._network):
            file.close()

    def _read(self, key: str) -> bytes:
        return self._files[key].read()

    def _cpu_seconds(self) -> float | None:
        if self.group.version == 2:
            return _scaled(field(self._read("cpu"), b"usage_usec"), MICRO)
        return _scaled(number(self._read("cpu")), NANO)

    def _modes(self) -> dict[str, float | None]:
        """Seconds in user and kernel mode: of v1 alone the kernel tells them in hundredths."""
        stat = self._unified_cpu.read()
        names = (("cpu_user_seconds", b"user"), ("cpu_system_seconds", b"system"))
        if stat:
            return {name: _scaled(field(stat, word + b"_usec"), MICRO) for name, word in names}
        ticks = self._read("ticks") if "ticks" in self._files else b""
        return {name: _scaled(field(ticks, word), TICK) for name, word in names}

    def _throttling(self) -> dict[str, float | None]:
        stat = self._read("throttling")
        v2 = self.group.version == 2
        lost = field(stat, b"throttled_usec") if v2 else field(stat, b"throttled_time")
        return {
            "throttled_seconds": _scaled(lost, MICRO if v2 else NANO),
            "periods": field(stat, b"nr_periods"),
            "throttled_periods": field(stat, b"nr_throttled"),
        }

    def _input_and_output(self) -> dict[str, float | None]:
        """An io.stat without lines is a container that has not touched a disk."""
        data = self._read("io")
        if self.group.version == 1:
            return {"io_read": _named_sum(data, b"Read"), "io_written": _named_sum(data, b"Write")}
        if not self._files["io"].exists:
            return {}
        return {"io_read": keyed_sum(data, b"rbytes") or 0, "io_written": keyed_sum(data, b"wbytes") or 0}


def _scaled(value: int | None, unit: float) -> float | None:
    return None if value is None else value * unit


def _stalled(data: bytes) -> float | None:
    """Seconds that some process waited, of a `*.pressure` file."""
    line = next((line for line in data.splitlines() if line.startswith(b"some ")), b"")
    return _scaled(number(line.rpartition(b"total=")[2]), MICRO) if line else None


def _named_sum(data: bytes, name: bytes) -> int | None:
    """The sum of lines such as `8:0 Read 4096` of blkio.

    None where there are none: newer kernels count under v1 only what is throttled. Buffered writes are never counted.
    """
    lines = [line.split() for line in data.splitlines()]
    counted = [words for words in lines if len(words) == 3]
    return sum(int(words[2]) for words in counted if words[1] == name) if counted else None


def _network_bytes(data: bytes) -> dict[str, float | None]:
    """Received and sent over all devices but loopback, of /proc/PID/net/dev."""
    rows = [line.partition(b":") for line in data.splitlines()[2:]]
    counted = [values.split() for name, _, values in rows if name.strip() != b"lo"]
    if not rows:
        return {}
    return {
        "network_received": sum(int(values[0]) for values in counted),
        "network_sent": sum(int(values[8]) for values in counted),
    }


def _memory_limit(group: Group, stat: bytes) -> int | None:
    """The smallest limit from the container upwards. v1 tells that itself."""
    if group.version == 1:
        own = number(read_file(group.path("memory", "memory.limit_in_bytes")))
        limits = [field(stat, b"hierarchical_memory_limit"), own]
        return min((limit for limit in limits if limit and limit < UNLIMITED), default=None)
    known, folder = [], group.unified
    while limit_data := read_file(f"{folder}/memory.max"):
        known.append(number(limit_data))
        folder = folder.rpartition("/")[0]
    return min((limit for limit in known if limit is not None), default=None)


def _cpu_limit(group: Group) -> float | None:
    """Cores: of the quota, or of the CPUs that the container is bound to, whichever is less."""
    known = [_quota(group), _bound_cpus(group)]
    return min((limit for limit in known if limit), default=None)


def _quota(group: Group) -> float | None:
    if group.version == 2:
        quota, _, period = read_file(f"{group.unified}/cpu.max").strip().partition(b" ")
    else:
        quota = read_file(group.path("cpu", "cpu.cfs_quota_us")).strip()
        period = read_file(group.path("cpu", "cpu.cfs_period_us")).strip()
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _bound_cpus(group: Group) -> float | None:
    """None where the container may use all CPUs of the host."""
    if group.version == 2:
        all_cpus = read_file(f"{group.root}/cpuset.cpus.effective")
    else:
        all_cpus = read_file(f"{group.root}/cpuset/cpuset.cpus")
    count = _count(read_file(group.path("cpuset", "cpuset.cpus")))
    return float(count) if 0 < count < _count(all_cpus) else None


def _count(data: bytes) -> int:
    """How many CPUs a list such as `0-3,6` names."""
    count = 0
    for part in data.decode().strip().split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            count += int(last or first) - int(first) + 1
    return count


def _process(folder: str) -> Process | None:
    """Name and own memory of a process; None where it has ended."""
    status = read_file(f"{folder}/status").decode(errors="replace")
    sizes = {name: value for name, _, value in (line.partition(":") for line in status.splitlines())}
    held = [_kibibytes(sizes[name]) for name in ("RssAnon", "RssShmem") if name in sizes]
    memory = sum(held) if held else _kibibytes(sizes.get("VmRSS", ""))
    name = read_file(f"{folder}/comm").decode(errors="replace").strip()
    return Process(name=name, memory=memory) if name and memory else None


def _kibibytes(text: str) -> int:
    words = text.split()
    return int(words[0]) * KIBIBYTE if words and words[0].isdigit() else 0
