"""One container that is measured: found by the Engine's word on it, read by its meter, and found again when it is made
again under its name.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from executor.errors import ExecutorError
from executor.plan.network import CONTAINER_MODE, HOST_MODE
from executor.usage.cgroups import Gone, find_group
from executor.usage.kernel_log import kills_in
from executor.usage.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.engine.client import Answer, Engine
    from executor.usage.track import Track


class Watched:
    """A container by its `container` name, and its `track`, of a job that `began` then (seconds since the epoch).

    `oom_link` is where who runs stages finds its kills.
    """

    def __init__(self, engine: Engine, track: Track, container: str, began: float, oom_link: str = "") -> None:
        self.track = track
        self.container = container
        self.missing: list[str] = []
        self._engine = engine
        self._zero = began
        self._oom_link = oom_link
        self._meter: Meter | None = None
        self._id = ""
        self._kills = 0.0

    @property
    def lives(self) -> bool:
        """Whether there is something to measure."""
        return self._meter is not None

    @property
    def version(self) -> int:
        """Of its control group, 0 where there is none."""
        return self._meter.group.version if self._meter else 0

    def ask(self) -> Answer | None:
        """Ask the Engine where the container is; None where it cannot be asked."""
        try:
            return self._engine.inspect_container(self.container)
        except ExecutorError:
            return None

    def meet_answer(self, answer: Answer | None, offset: float) -> None:
        """Wait for the Engine's answer, and begin to measure the container if it runs."""
        try:
            if answer:
                self.meet(answer.value(), offset)
        except ExecutorError:
            return

    def look_for(self, offset: float) -> None:
        """Ask, and wait for the answer."""
        self.meet_answer(self.ask(), offset)

    def meet(self, inspected: Mapping[str, Any], offset: float) -> None:
        """Take the Engine's word on the container."""
        state = inspected["State"]
        self._id = str(inspected["Id"])
        if not state.get("Running"):
            self.track.note_end(oom_killed=bool(state.get("OOMKilled")), exit_code=state.get("ExitCode"))
            self._name_killed(offset)
            return
        group = find_group(int(state.get("Pid") or 0), self._id)
        if group is None:
            self.missing = ["everything of containers whose processes this host does not see"]
            return
        mode = str((inspected.get("HostConfig") or {}).get("NetworkMode", ""))
        own_network = mode != HOST_MODE and not mode.startswith(CONTAINER_MODE)
        self._meter = Meter(group, int(state["Pid"]), network=own_network)
        self.missing = self._meter.missing() + (["traffic on the host's network"] if mode == HOST_MODE else [])
        self.track.set_limits(self._meter.limits())
        self.track.note_start(min(offset, seconds_since(str(state.get("StartedAt", "")), self._zero)))
        self._link()
        self.read(offset)

    def sample(self, offset: float) -> None:
        """A short look: memory, CPU, processes. The largest processes where memory has grown."""
        if self._meter is None:
            return
        try:
            sample = self._meter.sample()
            self.track.observe(offset, sample)
            if self.track.outgrows_list(sample):
                self.track.list_processes(self._meter.top_processes())
        except Gone:
            self._lose(offset)

    def read(self, offset: float) -> None:
        """A short look, and all counters."""
        self.sample(offset)
        if self._meter is None:
            return
        try:
            self.track.count(offset, self._meter.counters(), self._meter.peaks())
        except Gone:
            self._lose(offset)
            return
        self._name_killed(offset)

    def measure_disk(self) -> None:
        """Ask the Engine what the container has written to its own file system; it may have to look at all of it."""
        try:
            answer = self._engine.ask("GET", f"/containers/{self.container}/json?size=1", seconds=30)
            size = answer.value().get("SizeRw")
        except ExecutorError:
            return
        self.track.disk_written = int(size) if size is not None else None

    def _lose(self, offset: float) -> None:
        """The container has ended; another may be there under its name already."""
        if self._meter:
            self._meter.close()
        self._meter = None
        self.track.carry()
        self.look_for(offset)

    def _name_killed(self, offset: float) -> None:
        """Remember the processes that the kernel has killed, where its log may be read."""
        kills = self.track.whole.counters.get("oom_kills", 0)
        if kills <= self._kills:
            return
        self._kills = kills
        self.track.note_kills(offset, kills_in(self._id))

    def _link(self) -> None:
        """Lead who runs stages to the file that counts the kills."""
        if not self._oom_link or self._meter is None:
            return
        temporary = f"{self._oom_link}.new"
        os.symlink(self._meter.oom_file, temporary)
        os.replace(temporary, self._oom_link)


def seconds_since(stamp: str, began: float) -> float:
    """From `began` to the Engine's time `stamp`; endless where that is none."""
    from datetime import datetime

    try:
        return max(0.0, datetime.fromisoformat(stamp).timestamp() - began)
    except ValueError:
        return float("inf")
