"""The display on a terminal: the log scrolls above, stages and running jobs move below."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from executor import terminal
from executor.pipeline.local.display import Display
from executor.pipeline.local.log import plain, visible
from executor.pipeline.local.words import COLOURS, clock, duration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from rich.console import RenderableType

    from executor.pipeline.local.model import JobResult
    from executor.pipeline.model import PipelineJob

FRAMES_A_SECOND = 8
PREFIX_COLOURS = ("cyan", "magenta", "blue", "yellow", "green")


class Running:
    """A job at work: since when, and the last thing that it said."""

    def __init__(self, spinner: str) -> None:
        self.since = time.monotonic()
        self.last_line = ""
        self.spinner = Spinner(spinner)

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.since


class LiveDisplay(Display):
    """A moving display. The same calls as `Display`.

    No lock of ours may be held while printing or rendering: rich holds its own while it asks for what to render.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._console = terminal.console(stream)
        self._stages: tuple[str, ...] = ()
        self._jobs: list[PipelineJob] = []
        self._running: dict[str, Running] = {}
        self._results: dict[str, JobResult] = {}
        self._live = self._new_live()

    def begin(self, stages: tuple[str, ...], jobs: list[PipelineJob]) -> None:
        """Show the stages and start to move."""
        super().begin(stages, jobs)
        self._stages, self._jobs = stages, jobs
        self._live.start()

    def job_started(self, job: PipelineJob) -> None:
        """A job begins."""
        self._running[job.name] = Running(self.words.spinner)

    def line(self, job: str, line: str) -> None:
        """A line of a job's log, in its own colours."""
        text = Text(self._prefix(job), style=self._colour_of(job))
        text.append_text(Text.from_ansi(self.words.printable(visible(line))))
        running = self._running.get(job)
        if running and (last := plain(line).strip()):
            running.last_line = self.words.printable(last)
        self._print(text)

    def job_ended(self, result: JobResult) -> None:
        """A job has ended, or never runs."""
        self._results[result.job.name] = result
        self._running.pop(result.job.name, None)

    def say(self, text: str, style: str = "") -> None:
        """A line of our own."""
        self._print(Text(self.words.printable(text), style=style))

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """The terminal belongs to somebody else for a while."""
        self._live.stop()
        try:
            yield
        finally:
            self._live = self._new_live()
            self._live.start()

    def end(self) -> None:
        """Stop moving; the lower part vanishes, the summary takes its place."""
        with self._closed_terminal_is_no_error():
            self._live.stop()

    def _print(self, text: Text) -> None:
        with self._closed_terminal_is_no_error():
            self._console.print(text, soft_wrap=True)

    @contextlib.contextmanager
    def _closed_terminal_is_no_error(self) -> Iterator[None]:
        """Jobs must not end half way because nobody looks any more: what follows goes nowhere."""
        try:
            yield
        except OSError:
            terminal.show("", self._stream)

    def _new_live(self) -> Live:
        return Live(
            console=self._console,
            get_renderable=self._render,
            refresh_per_second=FRAMES_A_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def _render(self) -> RenderableType:
        return Group(*self._stage_lines(), *self._progress_lines())

    def _stage_lines(self) -> list[RenderableType]:
        used = [stage for stage in self._stages if any(job.stage == stage for job in self._jobs)]
        width = max((len(stage) for stage in used), default=0)
        return [self._stage_line(stage, width) for stage in used]

    def _stage_line(self, stage: str, width: int) -> Text:
        line = Text(f"  {stage:<{width}} ", no_wrap=True, overflow="ellipsis" if self.words.unicode else "crop")
        for job in self._jobs:
            if job.stage == stage:
                line.append("  ").append_text(self._job_mark(job.name))
        return line

    def _job_mark(self, name: str) -> Text:
        if name in self._results:
            result = self._results[name]
            time = f" {duration(result.seconds)}" if result.seconds else ""
            return Text(f"{self.words.mark(result.status)} {name}{time}", style=COLOURS[result.status])
        if name in self._running:
            return Text(f"{self.words.running} {name}", style="bold")
        return Text(f"{self.words.waiting} {name}", style="dim")

    def _progress_lines(self) -> list[RenderableType]:
        return [self._progress_line(name, running) for name, running in list(self._running.items())]

    def _progress_line(self, name: str, running: Running) -> RenderableType:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis" if self.words.unicode else "crop")
        grid.add_row(running.spinner, Text(f"{name} {clock(running.seconds)} {running.last_line}"))
        return grid

    def _colour_of(self, job: str) -> str:
        names = [known.name for known in self._jobs]
        return PREFIX_COLOURS[names.index(job) % len(PREFIX_COLOURS)] if job in names else ""
