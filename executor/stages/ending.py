"""Ending a stage before its time: asked first, then killed, at last with its container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.engine.client import EngineError
from executor.errors import SystemFailure
from executor.sandbox.loop import signal_command
from executor.sandbox.state import load
from executor.sandbox.workplace import engine_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from executor.engine.client import Engine

    Loop = tuple[str, str]

# A program that handles SIGTERM gets the docker executor's time for it; all three together stay below the 15 s in
# which nothing may hang.
TERM_SECONDS = 10.0
KILL_SECONDS = 2.0
CONTAINER_SECONDS = 2.0


class Ending:
    """The steps that end the running stage of one container."""

    def __init__(self, job_folder: str, role: str) -> None:
        facts = load(job_folder)
        self._job_folder = job_folder
        self._role = role
        self._engine = engine_of(facts)
        self._container: str = facts["containers"][role]
        self._loop = None if facts.get("shared_processes") else loop_facts(job_folder, role)
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

    def finish(self) -> None:
        """Kill what the stage's shell left, which has had its time. Nothing is on its way after this."""
        if self._loop:
            end_abandoned(self._job_folder, self._role)

    def _all_steps(self) -> Iterator[float]:
        if self._loop:
            self._signal("TERM", self._loop)
            yield TERM_SECONDS
            self._signal("KILL", self._loop)
            yield KILL_SECONDS
        self._engine.kill_container(self._container).settle()
        yield CONTAINER_SECONDS

    def _signal(self, name: str, loop: Loop) -> None:
        """Signal the stage's processes from beside them. A container that is gone needs no signal."""
        try:
            user = _signaller(self._engine, self._container)
            self._engine.run_detached(self._container, signal_command(name, *loop), user=user)
        except EngineError as error:
            _pass_over_if_gone(error)


def end_abandoned(job_folder: str, role: str) -> None:
    """Kill the stage that a dead driver left running. After this nothing is on its way that could hit another."""
    facts = load(job_folder)
    engine, container = engine_of(facts), facts["containers"][role]
    loop = None if facts.get("shared_processes") else loop_facts(job_folder, role)
    try:
        if loop:
            engine.run_to_end(container, signal_command("KILL", *loop), user=_signaller(engine, container))
        else:
            _end_container(engine, container, f"{job_folder}/{role}")
    except EngineError as error:
        _pass_over_if_gone(error)


def loop_facts(job_folder: str, role: str) -> Loop | None:
    """The loop's pid and the processes older than it (space-separated, spaces around); None where it never said.

    To guess would be to signal processes that are somebody else's. A script can forge these words, so they are not
    asked for where the container sees processes that are not its own: there it is ended as a whole.
    """
    try:
        with open(f"{job_folder}/{role}/loop") as file:
            _, pid, baseline = file.read().split(" ", 2)
    except (FileNotFoundError, ValueError):
        return None
    return pid, f" {baseline.strip()} "


def _end_container(engine: Engine, container: str, folder: str) -> None:
    """End the container of an unknown loop; it is started again by who finds it so."""
    with open(f"{folder}/loop", "w") as file:
        file.write("ended")
    engine.kill_container(container).settle()
    engine.wait_container(container, seconds=CONTAINER_SECONDS).value()


def _signaller(engine: Engine, container: str) -> str:
    """The user that may signal every process of a stage: root, or the stage's own where root may not."""
    config = engine.inspect_container(container).value()["HostConfig"]
    dropped = {name.upper().removeprefix("CAP_") for name in config.get("CapDrop") or ()}
    added = {name.upper().removeprefix("CAP_") for name in config.get("CapAdd") or ()}
    return "" if dropped & {"ALL", "KILL"} and not added & {"ALL", "KILL"} else "0"


def _pass_over_if_gone(error: EngineError) -> None:
    if error.status not in (404, 409):
        raise error
