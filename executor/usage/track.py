"""One container over the job's time: sums by stage, peaks, curves, and the largest processes at its peak.

A container that is made again under its name goes on where the one before stopped.
"""

from __future__ import annotations

from executor.usage.curve import Curve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from executor.usage.kernel_log import Kill
    from executor.usage.meter import Counters, Sample
    from executor.usage.model import Limits, Process

    Peaks = dict[str, int]

# A rate over less says nothing: quotas are given out ten times a second.
LEAST_RATE_SECONDS = 0.5
# The list of processes is made anew when so much more is held than at the last one.
GROWTH = 1.1
LEAST_LISTED = 16 * 1024**2
UNBOUNDED = 1 << 62
MOST_STAGES = 64
# A stage's begin may be heard late, on a busy host or while containers are still looked for.
READINGS = 4
AT_ONCE = 0.05


class Row:
    """What a container used in one stage, or in all its life."""

    def __init__(self) -> None:
        self.wall = 0.0
        self.counters: Counters = {}
        self.peaks: Peaks = {}
        self.samples = 0

    def observe(self, sample: Sample) -> None:
        """Take a look at the container into the peaks."""
        self.samples += 1
        for name, value in (
            ("memory_working_set_peak", sample.working_set),
            ("memory_anon_peak", sample.anon),
            ("processes_peak", sample.processes),
        ):
            raise_peak(self.peaks, name, value)

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON."""
        return {"wall": self.wall, "counters": self.counters, "peaks": self.peaks, "samples": self.samples}


class Track:
    """What is known of one container. `role`, `name` and `image` are those of `ContainerUse`."""

    def __init__(self, role: str, name: str, image: str) -> None:
        self.role = role
        self.name = name
        self.image = image
        self.limits: tuple[int | None, float | None] = (None, None)
        self.whole = Row()
        self.top: list[tuple[str, int]] = []
        self.killed: list[tuple[str, int]] = []
        self.disk_written: int | None = None
        self.oom_killed = False
        self.exit_code: int | None = None
        self._stages: dict[str, Row] = {}
        self._stage: Row | None = None
        self._base: Counters = {}
        self._readings: list[tuple[float, Counters]] = []
        self._carried: Counters = {}
        self._kills = 0.0
        self._listed = 0
        self._memory, self._cpu = Curve(), Curve()
        self._began: float | None = None
        self._sampled = 0.0
        self._rated: tuple[float, float] | None = None

    def set_limits(self, limits: Limits) -> None:
        """What the living container may use."""
        self.limits = (limits.memory, limits.cpus)

    def note_start(self, offset: float) -> None:
        """The container began at `offset` seconds of the job; one that takes another's place does not begin anew."""
        self._began = offset if self._began is None else self._began
        self._sampled = max(self._sampled, offset)

    def observe(self, offset: float, sample: Sample) -> None:
        """Take a look at `offset` seconds of the job."""
        self.whole.observe(sample)
        self.whole.wall = offset - (self._began or 0.0)
        if self._stage:
            self._stage.observe(sample)
        if sample.working_set is not None:
            self._memory.add(offset, sample.working_set, offset - self._sampled)
        self._sampled = offset
        self._rate(offset, sample.cpu_seconds)

    def outgrows_list(self, sample: Sample) -> bool:
        """Whether so much more memory is held now than when processes were last listed; the caller lists them."""
        held = sample.working_set if sample.anon is None else sample.anon
        if held is None or held <= max(LEAST_LISTED, self._listed * GROWTH):
            return False
        self._listed = held
        return True

    def list_processes(self, processes: Sequence[Process]) -> None:
        """Remember the largest processes of this moment."""
        self.top = [(process.name, process.memory) for process in processes]

    def note_kills(self, offset: float, kills: Sequence[Kill]) -> None:
        """What the kernel says of its kills: seldom did we look just before one."""
        if not kills:
            return
        self.killed = [(kill.victim.name, kill.victim.memory) for kill in kills]
        self.list_processes(kills[-1].largest)
        held = min(max(kill.total for kill in kills), self.limits[0] or UNBOUNDED)
        for row in (self.whole, self._stage):
            if row:
                raise_peak(row.peaks, "memory_working_set_peak", held)
                raise_peak(row.peaks, "memory_anon_peak", held)
        self._memory.add(max(offset, self._sampled), held, 0.0)

    def count(self, offset: float, counters: Counters, peaks: Mapping[str, int | None]) -> None:
        """Take the living container's counters, which began at 0 with it, and the kernel's own peaks."""
        self.whole.counters = _sum(self._carried, counters)
        self._readings = [*self._readings[-READINGS + 1 :], (offset, self.whole.counters)]
        self._kills = counters.get("oom_kills", 0)
        for name, value in peaks.items():
            raise_peak(self.whole.peaks, name, value)

    def carry(self) -> None:
        """The container has ended: another one under its name counts from 0."""
        self._carried = dict(self.whole.counters)
        self._rated = None

    def begin_stage(self, name: str, offset: float) -> None:
        """A stage began at `offset`; what it used is counted from the last reading before. One of its name goes on."""
        if name not in self._stages and len(self._stages) >= MOST_STAGES:
            return
        before = [counters for moment, counters in self._readings if moment <= offset + AT_ONCE]
        self._base = dict(before[-1]) if before else {}
        self._stage = self._stages.setdefault(name, Row())

    def end_stage(self, seconds: float) -> None:
        """The stage that began last is over after `seconds`."""
        if self._stage:
            self._stage.wall += seconds
            used = {key: value - self._base.get(key, 0) for key, value in self.whole.counters.items()}
            self._stage.counters = _sum(self._stage.counters, used)
        self._stage = None

    def note_end(self, *, oom_killed: bool, exit_code: int | None) -> None:
        """The Engine's word on a container that has ended. The last kill is often younger than our last look."""
        self.oom_killed = self.oom_killed or oom_killed
        self.exit_code = exit_code
        if oom_killed and not self._kills:
            self._kills = 1.0
            self._carried = _sum(self.whole.counters, {"oom_kills": 1.0})
            self.whole.counters = dict(self._carried)

    def as_dict(self) -> dict[str, Any]:
        """The track as JSON."""
        return {
            "role": self.role,
            "name": self.name,
            "image": self.image,
            "limits": list(self.limits),
            "whole": self.whole.as_dict(),
            "stages": {name: row.as_dict() for name, row in self._stages.items()},
            "top": self.top,
            "killed": self.killed,
            "disk_written": self.disk_written,
            "oom_killed": self.oom_killed,
            "exit_code": self.exit_code,
            "curves": {"memory": self._memory.as_lists(), "cpu": self._cpu.as_lists()},
        }

    def _rate(self, offset: float, cpu_seconds: float | None) -> None:
        """Cores in use since the last rate."""
        if cpu_seconds is None:
            return
        if self._rated is None:
            self._rated = (offset, cpu_seconds)
            return
        seconds, used = offset - self._rated[0], cpu_seconds - self._rated[1]
        if seconds >= LEAST_RATE_SECONDS:
            self._cpu.add(offset, max(0.0, used / seconds), seconds)
            self._rated = (offset, cpu_seconds)


def raise_peak(peaks: Peaks, name: str, value: int | None) -> None:
    """Raise a peak to `value` where that is more."""
    if value is not None and value >= peaks.get(name, 0):
        peaks[name] = value


def _sum(first: Counters, second: Counters) -> Counters:
    return {key: first.get(key, 0) + second.get(key, 0) for key in {**first, **second}}
