"""What a job's containers have used since they were started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.engine.client import EngineError
from executor.plan.naming import JOB_LABEL

if TYPE_CHECKING:
    from executor.engine.client import Answer, Engine

NANO = 10**9


def cpu_seconds(engine: Engine, key: str) -> float:
    """CPU seconds of all containers of the job `key`, each counted since its last start; one that is gone counts 0."""
    containers = engine.labelled("containers", f"{JOB_LABEL}={key}").value() or []
    asked = [engine.usage(str(container["Id"])) for container in containers]
    return sum(_nanoseconds(answer) for answer in asked) / NANO


def _nanoseconds(answer: Answer) -> int:
    try:
        sample = answer.value() or {}
    except EngineError:
        return 0
    return int(((sample.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage") or 0)
