"""What is only ever looked at whole (curves, processes at the peak), packed into one value a job."""

from __future__ import annotations

import json
import zlib

from executor.usage.model import Process, Series

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from executor.usage.model import Usage

# A job of hours has as many points as one of minutes: more than this is not what it should be, and left out.
MOST_BYTES = 256 * 1024
_DIGITS = {"cores": 3}


def packed(usage: Usage) -> bytes:
    """The job's curves, processes and what could not be measured, compressed."""
    values: dict[str, Any] = {
        "missing": list(usage.missing),
        "processes": [[[one.name, one.memory] for one in container.top_processes] for container in usage.containers],
        "series": [_series(one) for one in usage.series],
    }
    data = _compressed(values)
    return data if len(data) <= MOST_BYTES else _compressed({**values, "series": []})


def unpacked(data: bytes) -> tuple[tuple[Series, ...], list[tuple[Process, ...]], tuple[str, ...]]:
    """The curves, each container's processes, and what is missing; ValueError where it is damaged."""
    try:
        values = json.loads(zlib.decompress(data))
    except zlib.error as error:
        raise ValueError(f"the curves of a job are damaged ({error})") from None
    return (
        tuple(_unpacked_series(one) for one in values["series"]),
        [tuple(Process(name=name, memory=memory) for name, memory in ones) for ones in values["processes"]],
        tuple(values["missing"]),
    )


def _compressed(values: dict[str, Any]) -> bytes:
    return zlib.compress(json.dumps(values, separators=(",", ":")).encode())


def _series(one: Series) -> dict[str, Any]:
    digits = _DIGITS.get(one.unit, 0)
    return {
        "container": one.container,
        "quantity": one.quantity,
        "unit": one.unit,
        "offsets": [round(offset, 1) for offset in one.offsets],
        "means": [round(value, digits) for value in one.means],
        "highs": [round(value, digits) for value in one.highs],
    }


def _unpacked_series(values: dict[str, Any]) -> Series:
    points = {name: tuple(values[name]) for name in ("offsets", "means", "highs")}
    return Series(container=values["container"], quantity=values["quantity"], unit=values["unit"], **points)
