"""Past runs of a job."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from executor.usage.history.model import Run
from executor.usage.history.short import in_short
from tests.unit.report.builders import a_usage

if TYPE_CHECKING:
    from collections.abc import Sequence


def a_run(**changes: Any) -> Run:
    """A good run of `build:frontend` on main: 380 s, 511 core seconds, 1.7 GiB of 2 GiB."""
    return replace(in_short(a_usage()), **changes)


def runs(values: Sequence[dict[str, Any]]) -> list[Run]:
    """One run a dictionary, newest first, as the history gives them."""
    return [a_run(number=len(values) - index, id=1000 - index, **changes) for index, changes in enumerate(values)]
