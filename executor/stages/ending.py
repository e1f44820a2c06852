"""Ending a stage before its time: asked first, then killed, at last with its container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.engine.client import Engine, EngineError
from executor.errors import SystemFailure
from executor.sandbox.state import load
from executor.sandbox.workplace import engine_of
from executor.stages.loop import signal_command

if TYPE_CHECKING:
    from collections.abc import Iterator

# A program that handles SIGTERM gets the docker executor's time for it; all three together stay below the 15 s in
# which nothing may hang.
TERM_SECONDS = 10.0
KILL_SECONDS = 2.0
CONTAINER_SECONDS = 2.0


class Ending:
    """The steps that end the running stage of one container."""

    def __init__(self, job_folder: str, role: str) -> None:
        facts = load(job_folder)
        self._engine = engine_of(facts)
        self._container: str = facts["containers"][role]
        self._loop_pid, self._baseline = loop_facts(job_folder, role)
        self._steps = self._all_steps()

    def next_step(self) -> float:
        """Take the next step; seconds to wait for its effect. `SystemFailure` when none is left."""
        for seconds in self._steps:
            return seconds
        raise SystemFailure(
            "The stage could not be ended.",
            cause="The Docker Engine does not end its container.",
            fix="Check the Engine with `docker ps`.",
        )

    def _all_steps(self) -> Iterator[float]:
        self._signal("TERM")
        yield TERM_SECONDS
        self._signal("KILL")
        yield KILL_SECONDS
        self._engine.kill_container(self._container).settle()
        yield CONTAINER_SECONDS

    def _signal(self, name: str) -> None:
        """Signal the stage's processes from beside them. A container that is gone needs no signal."""
        try:
            self._engine.run_detached(
                self._container, signal_command(name, self._loop_pid, self._baseline), user=self._user()
            )
        except EngineError as error:
            if error.status not in (404, 409):
                raise

    def _user(self) -> str:
        """Root may signal every process of the container, whoever the image's user is."""
        return "0"


def end_abandoned(job_folder: str, role: str) -> None:
    """Kill the stage that a dead driver left running."""
    facts = load(job_folder)
    container = facts["containers"][role]
    command = signal_command("KILL", *loop_facts(job_folder, role))
    _run_if_alive(engine_of(facts), container, command)


def loop_facts(job_folder: str, role: str) -> tuple[str, str]:
    """The loop's pid and the processes older than it (space-separated, spaces around); PID 1 where it never said."""
    try:
        with open(f"{job_folder}/{role}/loop") as file:
            _, pid, baseline = file.read().split(" ", 2)
    except (FileNotFoundError, ValueError):
        return "1", " 1 "
    return pid, f" {baseline.strip()} "


def _run_if_alive(engine: Engine, container: str, command: list[str]) -> None:
    try:
        engine.run_detached(container, command, user="0")
    except EngineError as error:
        if error.status not in (404, 409):
            raise
