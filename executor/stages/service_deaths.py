"""Services that died while a stage ran: often the reason why it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executor.errors import ExecutorError
from executor.sandbox.state import load
from executor.sandbox.workplace import engine_of
from executor.terminal import log_warning

if TYPE_CHECKING:
    from executor.engine.client import Engine

KILLED = 137


def tell_dead_services(job_folder: str) -> None:
    """One line for each service of a failed job that does not run any more."""
    try:
        facts = load(job_folder)
        engine = engine_of(facts)
        for container, aliases in (facts.get("services") or {}).items():
            state = _state(engine, container)
            if state.get("Status") != "running":
                log_warning(f"Service {', '.join(aliases)} does not run any more: {_fate(state)}.")
    except ExecutorError:
        # The job has failed already; an Engine that does not answer is told by whoever needs it.
        return


def _state(engine: Engine, container: str) -> dict[str, Any]:
    try:
        return dict(engine.inspect_container(container).value()["State"])
    except ExecutorError:
        return {}


def _fate(state: dict[str, Any]) -> str:
    if not state:
        return "its container is gone"
    if state.get("OOMKilled"):
        return "OUT OF MEMORY, the kernel killed it; its limit is `service_memory` under [runners.docker]"
    code = state.get("ExitCode")
    return f"it was killed (exit code {code})" if code == KILLED else f"it ended with exit code {code}"
