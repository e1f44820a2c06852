"""The end of a run: a table of the jobs, what failed and where to look, and the total."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import Any

from executor.pipeline.local.words import COLOURS, RESULTS, duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from executor.pipeline.local.model import FailedCommand, Failure, JobResult

LONGEST_COMMAND = 60


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the summary and its colour."""

    text: str
    style: str = ""


def summary_lines(results: Sequence[JobResult], seconds: float, root: Path) -> list[Line]:
    """The table with what to know of each failed job below its line, then the totals."""
    columns = [
        ("Stage", [result.job.stage for result in results]),
        ("Job", [result.job.name for result in results]),
        ("Result", [RESULTS[result.status] for result in results]),
    ]
    columns.append(("Time", [duration(result.seconds) if result.seconds else "" for result in results]))
    if any(result.cpu_seconds is not None for result in results):
        columns.append(
            ("CPU", ["" if result.cpu_seconds is None else duration(result.cpu_seconds) for result in results])
        )
    if any(result.cache for result in results):
        columns.append(("Cache", [result.cache for result in results]))
    header, *rows = aligned(columns)
    lines = [Line(text=header, style="bold")]
    for result, row in zip(results, rows, strict=True):
        lines.append(Line(text=row, style=COLOURS[result.status]))
        lines += [Line(text=f"  {detail}") for detail in _details(result, root)]
    return [*lines, Line(text=_totals(results, seconds), style="bold")]


def as_json(results: Sequence[JobResult], seconds: float, root: Path) -> dict[str, Any]:
    """The same for machines. Times in seconds; `result` is passed, warned, failed, canceled, skipped or manual."""
    return {
        "result": overall(results),
        "seconds": round(seconds, 3),
        "jobs": [_job_as_json(result, root) for result in results],
    }


def overall(results: Sequence[JobResult]) -> str:
    """`passed` where every job passed or may fail."""
    statuses = {result.status for result in results}
    return next((word for word in ("failed", "canceled") if word in statuses), "passed")


def _job_as_json(result: JobResult, root: Path) -> dict[str, Any]:
    failure, command = result.failure, result.command
    return {
        "name": result.job.name,
        "stage": result.job.stage,
        "result": result.status,
        "seconds": round(result.seconds, 3),
        "cpu_seconds": result.cpu_seconds,
        "tries": result.tries if result.log else 0,
        "exit_code": failure.exit_code if failure else None,
        "reason": failure.reason if failure else None,
        "message": failure.message if failure else None,
        "command": command.command if command else None,
        "where": command.where if command else None,
        "cache": result.cache or None,
        "log": os.path.relpath(result.log, root) if result.log else None,
        "note": result.note or None,
    }


def aligned(columns: list[tuple[str, list[str]]]) -> list[str]:
    """Header and rows, each column as wide as its widest entry."""
    padded = [_pad([title, *entries]) for title, entries in columns]
    return ["   ".join(row).rstrip() for row in zip(*padded, strict=True)]


def _pad(entries: list[str]) -> list[str]:
    width = max(len(entry) for entry in entries)
    return [entry.ljust(width) for entry in entries]


def _details(result: JobResult, root: Path) -> list[str]:
    if result.note:
        return [f"{result.note}"]
    if result.failure is None:
        return []
    where = f" Log: {os.path.relpath(result.log, root)}" if result.log else ""
    lines = [f"{_what_failed(result.failure, result.command)}.{where}"]
    if result.failure.reason == "script_failure" and result.failure.stage == "step_script":
        lines.append(f"Enter it: executor exec {shlex.quote(result.job.name)} --shell-on-failure")
    return lines


def _what_failed(failure: Failure, command: FailedCommand | None) -> str:
    what = failure.message if failure.exit_code is None else f"exit {failure.exit_code}"
    if failure.stage and failure.stage != "step_script":
        what += f" in {failure.stage}"
    return what + (_command(command) if command else "")


def _command(command: FailedCommand) -> str:
    text = command.command if len(command.command) <= LONGEST_COMMAND else f"{command.command[:LONGEST_COMMAND]}..."
    return f" in `{text}`" + (f" ({command.where})" if command.where else "")


def _totals(results: Sequence[JobResult], seconds: float) -> str:
    failed = sum(result.status in ("failed", "canceled") for result in results)
    allowed = sum(result.status == "warned" for result in results)
    not_run = sum(result.status in ("skipped", "manual") for result in results)
    passed = len(results) - failed - allowed - not_run
    parts = [f"{failed} of {len(results)} failed" if failed else f"{passed} of {len(results)} passed"]
    parts += [f"{allowed} failed but may"] if allowed else []
    parts += [f"{not_run} not run"] if not_run else []
    return f"{', '.join(parts)}. {duration(seconds)}."
