"""A container that died under its stage: what happened to it, and the exit code that stands for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executor.engine.client import EngineError
from executor.engine.http import Broken
from executor.errors import JobError, SystemFailure
from executor.job.stages import HELPER
from executor.sandbox.state import load
from executor.sandbox.workplace import engine_of
from executor.stages.measured import tell
from executor.terminal import log_failure

if TYPE_CHECKING:
    from executor.engine.client import Engine

KILLED = 137
END_SECONDS = 2.0

# A container that is removed alive is killed first: for a moment the Engine knows of both.
BEING_REMOVED = ("removing", "dead")


def exit_code_of_dead_container(job_folder: str, role: str) -> int:
    """Say in the job log why the container died; the exit code for the stage.

    A dead helper is a system failure, and so is a container that somebody removed.
    """
    facts = load(job_folder)
    state = _last_state(engine_of(facts), facts["containers"][role])
    failure = _explain(role, state)
    if role == HELPER or not state:
        raise failure
    # Who measures the job knows more of it, and the verdict on the stage says that.
    if not (state.get("OOMKilled") and tell(job_folder, "save")):
        log_failure(failure)
    return int(state["ExitCode"]) or KILLED


def _last_state(engine: Engine, container: str) -> dict[str, Any]:
    """The Engine's last word on the container, which may take it a moment; empty where it is gone."""
    try:
        _wait_until_ended(engine, container)
        state = dict(engine.inspect_container(container).value()["State"])
    except EngineError:
        return {}
    return {} if state.get("Status") in BEING_REMOVED else state


def _wait_until_ended(engine: Engine, container: str) -> None:
    """The Engine learns of an end later than we do. A container that outlives its loop is of no use: it is ended."""
    try:
        engine.wait_container(container, seconds=END_SECONDS).value()
    except Broken:
        engine.kill_container(container).settle()
        engine.wait_container(container, seconds=END_SECONDS).value()


def _explain(role: str, state: dict[str, Any]) -> SystemFailure | JobError:
    name = f"The {role} container"
    if not state:
        return SystemFailure(f"{name} was removed while the stage ran.", cause="Not by this job: from outside.")
    if state.get("OOMKilled"):
        return JobError(
            f"OUT OF MEMORY: the kernel killed {name.lower()}.",
            cause="The job needs more memory than its limit.",
            fix="Let the job use less, or ask the operator for a higher `memory` under [runners.docker].",
        )
    return SystemFailure(f"{name} ended while the stage ran (exit code {state.get('ExitCode')}).", cause=_cause(state))


def _cause(state: dict[str, Any]) -> str:
    if state.get("ExitCode") == KILLED:
        return "It was killed from outside, or the script killed its first process."
    return "Its first process ended; the script may have stopped it."
