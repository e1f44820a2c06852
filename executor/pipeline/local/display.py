"""What a person sees while jobs run. This one writes plain lines: nothing moves, nothing is coloured."""

from __future__ import annotations

import contextlib
import threading

from executor import terminal
from executor.pipeline.local.log import plain
from executor.pipeline.local.words import RESULTS, Words, duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from executor.pipeline.local.model import JobResult
    from executor.pipeline.model import PipelineJob


class Display:
    """Lines on `stream`. Every method may be called from any thread."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.words = Words(stream)
        self._stream = stream
        self._prefixed = False
        self._lock = threading.RLock()

    def begin(self, stages: tuple[str, ...], jobs: list[PipelineJob]) -> None:
        """The run begins. Lines get their job's name in front where there are several jobs."""
        self._prefixed = len(jobs) > 1

    def job_started(self, job: PipelineJob) -> None:
        """A job begins."""

    def line(self, job: str, line: str) -> None:
        """A line of a job's log, colours and control codes included."""
        self.say(self._prefix(job) + plain(line))

    def job_ended(self, result: JobResult) -> None:
        """A job has ended, or never runs."""
        word = RESULTS[result.status]
        time = f" in {duration(result.seconds)}" if result.seconds else ""
        note = f" ({result.note})" if result.note else ""
        self.say(f"{self.words.mark(result.status)} {result.job.name} {word}{time}{note}")

    def say(self, text: str, style: str = "") -> None:
        """A line of our own; `style` is for displays that have colours."""
        with self._lock:
            terminal.show(self.words.printable(text), self._stream)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """The terminal belongs to somebody else for a while."""
        with self._lock:
            yield

    def end(self) -> None:
        """The run is over."""

    def _prefix(self, job: str) -> str:
        return f"{job} | " if self._prefixed else ""
