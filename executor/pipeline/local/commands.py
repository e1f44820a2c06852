"""Which command of the script was running: the log shows each one right before it runs."""

from __future__ import annotations

from executor.pipeline.local.model import FailedCommand
from executor.pipeline.local.scripts import shown
from executor.pipeline.local.shell import GREEN, RESET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.pipeline.model import PipelineJob


class CommandTracker:
    """Follows the log of one job. Commands come in order, so output that looks like an earlier one is no matter."""

    def __init__(self, job: PipelineJob) -> None:
        self._job = job
        self._lines = [line for line in (*job.before_script, *job.script) if line.strip()]
        self._next = 0

    def see(self, line: str) -> None:
        """A line of the log."""
        if self._next < len(self._lines) and line == f"{GREEN}{shown(self._lines[self._next])}{RESET}":
            self._next += 1

    def current(self) -> FailedCommand | None:
        """The command that was shown last, with its place in the file where that is known."""
        if not self._next:
            return None
        command = self._lines[self._next - 1].strip()
        return FailedCommand(command=command.partition("\n")[0], where=self._place(self._next - 1))

    def _place(self, index: int) -> str:
        before = [line for line in self._job.before_script if line.strip()]
        if index < len(before):
            return "before_script"
        scripts = [number for number, line in enumerate(self._job.script) if line.strip()]
        number = scripts[index - len(before)]
        positions = self._job.script_positions
        return f"line {positions[number].line} of {positions[number].file}" if number < len(positions) else ""
