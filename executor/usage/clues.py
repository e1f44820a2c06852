"""What verdicts go by beside the use itself, from what was measured (the JSON of a `Recording`)."""

from __future__ import annotations

from executor.usage.model import Process
from executor.usage.verdicts import Clues

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from executor.usage.comparison import Comparison


def clues_of(data: Mapping[str, Any], comparison: Comparison | None = None) -> Clues:
    """`comparison` is what the history says of the job."""
    wanted = next((one for one in comparison.suggestions if one.resource == "memory"), None) if comparison else None
    memory = data["bounds"][0]
    return Clues(
        killed={
            track["name"]: tuple(Process(name=name, memory=held) for name, held in track["killed"])
            for track in data["containers"]
        },
        hints=frozenset(data.get("hints", ())),
        host_oom_kills=data["host_oom_kills"],
        time_limit=int(data.get("timeout") or 0),
        script_limit=int(data.get("script_timeout") or 0),
        asked=bool(data.get("asked")),
        most_memory=None if memory is None else int(memory),
        wanted_memory=int(wanted.value) if wanted else None,
        runs=wanted.runs if wanted else 0,
        largest=wanted.largest if wanted else 0.0,
    )
