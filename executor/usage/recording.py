"""What is measured of a job while it runs: its containers' tracks, its stages, and what the host says."""

from __future__ import annotations

from executor.usage.cgroups import PROC, field, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from executor.usage.track import Track

VERSION = 1
MOST_STAGES = 256


class Recording:
    """`facts` are those of the job that do not change, as JSON (see `summary`). Offsets are seconds since its begin."""

    def __init__(self, facts: Mapping[str, Any], tracks: list[Track], *, proc: str = PROC) -> None:
        self.tracks = tracks
        self.facts = dict(facts)
        self.missing: list[str] = []
        self.status = ""
        self._stages: list[dict[str, Any]] = []
        self._running: dict[str, Any] | None = None
        self._proc = proc
        self._host_kills = host_oom_kills(proc)

    @property
    def running(self) -> str:
        """The name of the stage that runs now, "" for none."""
        return self._running["name"] if self._running else ""

    def begin_stage(self, name: str, offset: float) -> None:
        """A stage begins. One that nobody has ended is over without an exit code."""
        self.end_stage(None, offset)
        self._running = {"name": name, "began": offset, "seconds": 0.0, "code": None, "stopped": False}
        if len(self._stages) < MOST_STAGES:
            self._stages.append(self._running)
        for track in self.tracks:
            track.begin_stage(name, offset)

    def end_stage(self, code: int | None, offset: float) -> None:
        """The running stage ended with `code`, None where it came to no end of its own."""
        if self._running is None:
            return
        seconds = offset - self._running["began"]
        self._running.update(seconds=seconds, code=code)
        for track in self.tracks:
            track.end_stage(seconds)
        self._running = None

    def stop_stage(self) -> None:
        """The runner has the running stage stopped: the job is canceled, or its time is over."""
        if self._running:
            self._running["stopped"] = True

    def as_dict(self, offset: float) -> dict[str, Any]:
        """Everything as JSON, with the running stage as far as it has come."""
        stages = [dict(stage) for stage in self._stages]
        if self._running:
            stages[-1]["seconds"] = offset - self._running["began"]
        kills = host_oom_kills(self._proc)
        known = kills is not None and self._host_kills is not None
        return {
            **self.facts,
            "version": VERSION,
            "seconds": offset,
            "status": self.status,
            "running": self.running,
            "stages": stages,
            "containers": [track.as_dict() for track in self.tracks],
            "host_oom_kills": (kills or 0) - (self._host_kills or 0) if known else None,
            "missing": self.missing,
        }


def host_oom_kills(proc: str = PROC) -> int | None:
    """How many processes the kernel has killed for memory since the host started, whosever they were."""
    return field(read_file(f"{proc}/vmstat"), b"oom_kill")
