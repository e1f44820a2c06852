"""Passing a stage's output on, byte for byte, until the loop says that the stage has ended.

On the hot path: no imports but these.
"""

from __future__ import annotations

import os
import select
import time

from executor.stages.censor import Censor
from executor.stages.channel import COPY_SIZE, Stage
from executor.stages.words import Words, exit_code_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# What was written just before the end is in the FIFOs already; a process that survived the sweep may hold them open.
DRAIN_SECONDS = 0.2
TAIL_SIZE = 16 * 1024


class Relay:
    """The output of one stage on its way to our own standard output and error.

    `status` is the loop's status FIFO, `wake` a descriptor that becomes readable when this process is told to stop.
    `hear` is given each line that the loop says. `tail` is the end of what the stage wrote.
    """

    def __init__(self, stage: Stage, status: int, wake: int, hear: Callable[[bytes], None]) -> None:
        self._stage = stage
        self._status = status
        self._wake = wake
        self._hear = hear
        self._sinks = {stage.out: 1, stage.err: 2}
        self.tail = b""
        self._censor = Censor()
        self._poll = select.poll()
        for descriptor in (stage.out, stage.err, status, wake):
            self._poll.register(descriptor, select.POLLIN)
        self._words = Words()

    def until_end(self, on_wake: Callable[[], float | None]) -> int | None:
        """Pass output on until the stage has ended; its exit code, or None where the container died under it.

        `on_wake` is called when `wake` speaks and again when the seconds it returned are over (None: no limit). What a
        stage that is being ended left running keeps those seconds: its output is passed on until it closes it.
        """
        deadline: float | None = None
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready = self._poll.poll(None if left is None else left * 1000)
            # Heard first: who is to end the stage, or to take over from us, needs what the loop has said.
            ended = self._ended(ready)
            if ended is None and (not ready or self._woken(ready)):
                deadline = _after(on_wake())
            self._pass_on(ready)
            if ended is not None:
                self._drain(deadline or time.monotonic() + DRAIN_SECONDS)
                return None if ended < 0 else ended

    def _woken(self, ready: list[tuple[int, int]]) -> bool:
        if not any(descriptor == self._wake for descriptor, _ in ready):
            return False
        os.read(self._wake, COPY_SIZE)
        return True

    def _pass_on(self, ready: list[tuple[int, int]]) -> None:
        for descriptor, _ in ready:
            if descriptor in self._sinks:
                self._copy(descriptor)

    def _copy(self, descriptor: int) -> None:
        data = read_some(descriptor)
        if data is None:
            return
        self.tail = (self.tail + data)[-TAIL_SIZE:]
        if not data:
            self._poll.unregister(descriptor)
            del self._sinks[descriptor]
        elif descriptor == self._stage.err:
            write_all(2, self._censor.clean(data))
        else:
            write_all(1, data)

    def _ended(self, ready: list[tuple[int, int]]) -> int | None:
        """The stage's exit code once the loop has told it; -1 where the loop itself is gone."""
        if self._status not in dict(ready) or (data := read_some(self._status)) is None:
            return None
        return self._heard(data) if data else -1

    def _heard(self, data: bytes) -> int | None:
        for line in self._words.lines(data):
            self._hear(line)
            if (code := exit_code_in(line, self._stage.id)) is not None:
                return code
        return None

    def _drain(self, deadline: float) -> None:
        """Empty the FIFOs: all writers are gone, or have had their time."""
        self._poll.unregister(self._status)
        self._poll.unregister(self._wake)
        while self._sinks and (left := deadline - time.monotonic()) > 0:
            self._pass_on(self._poll.poll(left * 1000))


def read_some(descriptor: int) -> bytes | None:
    """What is there, b"" after the last writer is gone, None where there is nothing yet.

    The word of `poll` is not enough: the kernel looks at a FIFO without a lock, and calls one hung up whose first
    writer it is just about to count.
    """
    try:
        return os.read(descriptor, COPY_SIZE)
    except BlockingIOError:
        return None


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything. A reader that is gone is no reason to stop: the stage must still be ended properly."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except BrokenPipeError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)


def _after(seconds: float | None) -> float | None:
    return None if seconds is None else time.monotonic() + seconds
