"""What jobs used, for other programs. A `version` changes when a key is renamed, removed or gets another meaning."""

from __future__ import annotations

import json
from dataclasses import asdict

from executor.usage.comparison import KEEP
from executor.usage.fleet import total

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from executor.usage.comparison import Comparison
    from executor.usage.fleet import JobAdvice, Prices
    from executor.usage.history.model import Run
    from executor.usage.model import Usage, Verdict

VERSION = 1
# A program that computes tables takes a text that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def runs_as_json(runs: list[Run]) -> str:
    """A list of runs, newest first: seconds, bytes, cores; null is unknown."""
    return _dumped({"runs": [asdict(run) for run in runs]})


def job_as_json(usage: Usage, verdicts: tuple[Verdict, ...], comparison: Comparison) -> str:
    """All that is known of one job."""
    return _dumped(
        {
            "usage": asdict(usage),
            "verdicts": [asdict(verdict) for verdict in verdicts],
            "comparison": asdict(comparison),
        }
    )


def advice_as_json(advice: list[JobAdvice], prices: Prices) -> str:
    """Suggested limits of each job, and what all of them took together."""
    totals = total(one.totals for one in advice)
    costs = {"cost": totals.cost(prices), "savable": totals.savable(prices), "currency": prices.currency}
    return _dumped(
        {
            "jobs": [_advice(one) for one in advice],
            "totals": asdict(totals) | (costs if prices.known else {}),
        }
    )


def runs_as_csv(runs: list[Run]) -> str:
    """The runs with a line of headings, without a line's end behind the last one."""
    import csv
    from io import StringIO

    from executor.usage.history.model import Run

    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(Run.__dataclass_fields__)
    writer.writerow(names)
    writer.writerows([_cell(getattr(run, name)) for name in names] for run in runs)
    return text.getvalue().removesuffix("\n")


def _advice(one: JobAdvice) -> dict[str, Any]:
    return {
        "project": one.newest.project,
        "project_id": one.newest.project_id,
        "job": one.newest.key,
        "totals": asdict(one.totals),
        "suggestions": [asdict(suggestion) for suggestion in one.suggestions],
        "change": any(suggestion.direction != KEEP for suggestion in one.suggestions),
    }


def _cell(value: object) -> object:
    if isinstance(value, tuple):
        return " ".join(value)
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


def _dumped(values: dict[str, Any]) -> str:
    return json.dumps({"version": VERSION, **values}, indent=2)
