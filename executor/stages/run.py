"""One stage from its script to its exit code.

On the hot path: what only a failure or a cancel needs is imported there.
"""

from __future__ import annotations

from executor.stages.channel import Channel, NotListening, Stage
from executor.stages.relay import Relay
from executor.stages.wake import wake_on_signals
from executor.stages.words import is_ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.stages.ending import Ending


def run_stage(job_folder: str, role: str, script: str) -> int:
    """Run `script` (a path) in the job's container of `role`; the exit code of its shell.

    Output goes to our standard output and error as it comes. SIGTERM and SIGINT end the stage: asked, then killed.
    """
    return StageRun(job_folder, role).run(script)


class StageRun:
    """The run of one stage in one container."""

    def __init__(self, job_folder: str, role: str) -> None:
        self.job_folder = job_folder
        self.role = role
        self.channel = Channel(f"{job_folder}/{role}/ctl")
        self._ending: Ending | None = None

    def run(self, script: str) -> int:
        """Run the script; see `run_stage`."""
        wake = wake_on_signals()
        self._end_leftovers()
        status = self.channel.open_status()
        stage = self.channel.new_stage(script)
        try:
            if (ended := self._start(stage, wake)) is not None:
                return ended
            return self._finish(stage, Relay(stage, status, wake, self._remember_loop))
        finally:
            self.channel.discard(stage.id)

    def _start(self, stage: Stage, wake: int) -> int | None:
        """Start the stage; where the container ended instead of listening, the exit code of its own command."""
        try:
            stage.start()
            return None
        except NotListening:
            from executor.stages.waking import start_when_listening

            return start_when_listening(self.job_folder, self.role, stage, wake)

    def _finish(self, stage: Stage, relay: Relay) -> int:
        code = relay.until_end(lambda: self._end(stage))
        if code is None:
            from executor.stages.fate import exit_code_of_dead_container

            return exit_code_of_dead_container(self.job_folder, self.role)
        if self._ending:
            self._ending.finish()
        elif code:
            from executor.stages.hints import note_hints

            note_hints(self.job_folder, relay.tail)
        # What a script makes of SIGTERM says nothing: the runner's own wrapper may exit 0 after it.
        return code or 143 if self._ending else code

    def _end(self, stage: Stage) -> float:
        """Take the next step to end the stage; seconds until the one after it."""
        if self._ending is None:
            from executor.stages.ending import Ending
            from executor.stages.measured import tell

            tell(self.job_folder, "stopped")
            self.channel.spare_the_rest(stage.id)
            self._ending = Ending(self.job_folder, self.role)
        return self._ending.next_step()

    def _end_leftovers(self) -> None:
        """A stage whose driver was killed runs on: end it, or the loop never comes to ours."""
        unfinished = self.channel.unfinished()
        if unfinished and self.channel.listens():
            from executor.stages.ending import end_abandoned

            end_abandoned(self.job_folder, self.role)
        for stage_id in unfinished:
            self.channel.discard(stage_id)

    def _remember_loop(self, line: bytes) -> None:
        """Keep the loop's first words, its pid and the processes older than it, for who must end a stage."""
        if is_ready(line):
            remember_loop(self.job_folder, self.role, line.decode())


def remember_loop(job_folder: str, role: str, line: str) -> None:
    """Store the loop's `ready PID BASELINE`. A full disk is no reason to fail a stage that may well succeed."""
    try:
        with open(f"{job_folder}/{role}/loop", "w") as file:
            file.write(line)
    except OSError:
        return
