"""A container whose stage loop does not listen: its entrypoint is still busy, or it has ended.

An image whose entrypoint never runs its command does the job by itself, as under the docker executor: what it wrote
and its exit code are the stage's. A container that ended after it had listened is started again.
"""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING, Any

from executor.engine.client import EngineError
from executor.errors import SystemFailure, Terminated
from executor.sandbox.environment_file import NO_ENTRYPOINT
from executor.sandbox.state import load
from executor.sandbox.workplace import engine_of
from executor.stages.channel import NotListening
from executor.stages.relay import write_all

if TYPE_CHECKING:
    from executor.engine.client import Engine
    from executor.stages.channel import Stage

FIRST_PAUSE = 0.002
LONGEST_PAUSE = 0.1
STDERR = 2


def start_when_listening(job_folder: str, role: str, stage: Stage, wake: int) -> int | None:
    """Start `stage` as soon as the loop listens.

    Returns None once it is started, or the exit code of the container's own command where that ended without ever
    listening. `Terminated` when `wake` speaks first.
    """
    facts = load(job_folder)
    _require_prepared(facts)
    engine, container = engine_of(facts), facts["containers"][role]
    pause = FIRST_PAUSE
    while not _started(stage):
        state = _state(engine, container, role)
        if state["Status"] in ("exited", "dead"):
            if _news(f"{job_folder}/{role}", state):
                return _tell_end(engine, container, state)
            engine.start_container(container).value()
            pause = FIRST_PAUSE
        if select.select([wake], [], [], pause)[0]:
            raise Terminated
        pause = min(pause * 1.5, LONGEST_PAUSE)
    return None


def _require_prepared(facts: dict[str, Any]) -> None:
    """A sandbox that was cut off while it was made never comes to listen."""
    if not facts.get("prepared"):
        raise SystemFailure(
            "The job's containers were not made to the end.", cause="`prepare` was cut off.", fix="Retry the job."
        )


def _started(stage: Stage) -> bool:
    try:
        stage.start()
    except NotListening:
        return False
    return True


def _state(engine: Engine, container: str, role: str) -> dict[str, Any]:
    try:
        return dict(engine.inspect_container(container).value()["State"])
    except EngineError as error:
        if error.status != 404:
            raise
        raise SystemFailure(
            f"The {role} container is gone.",
            cause="Somebody removed it while the job ran.",
            fix="Look for cron jobs that prune containers on the runner's host, then retry the job.",
        ) from None


def _news(folder: str, state: dict[str, Any]) -> bool:
    """Whether this end of a container that never listened has not been told yet."""
    if os.path.exists(f"{folder}/loop"):
        return False
    told = f"{folder}/told-{state['StartedAt'].replace(':', '-')}"
    if os.path.exists(told):
        return False
    os.close(os.open(told, os.O_WRONLY | os.O_CREAT, 0o600))
    return True


def _tell_end(engine: Engine, container: str, state: dict[str, Any]) -> int:
    """Write what the container's own command wrote; its exit code. `SystemFailure` where it could not be run at all:
    under the docker executor such a container does not even start.
    """
    for stream, data in engine.logs(container):
        if stream == STDERR and data.startswith(NO_ENTRYPOINT.encode()):
            raise _without_entrypoint(data.decode(errors="replace").removeprefix(NO_ENTRYPOINT).strip())
        write_all(STDERR if stream == STDERR else 1, data)
    return int(state["ExitCode"])


def _without_entrypoint(name: str) -> SystemFailure:
    return SystemFailure(
        f"NO ENTRYPOINT: the image cannot run {name!r}.",
        cause="`image:entrypoint` of the job, or the image itself, names a program that the image does not have.",
        fix='Correct `entrypoint`, or clear it with `entrypoint: [""]`.',
    )
