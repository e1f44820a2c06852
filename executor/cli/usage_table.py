"""The last jobs of the host, a line each."""

from __future__ import annotations

from executor.cli.tables import print_rows
from executor.report.words import UNKNOWN, cores, pair, span
from executor.sandbox.ages import span as age

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.usage.history.model import Run

HEADINGS = ("Job", "Project", "Name", "Ref", "Ago", "Result", "Time", "Cores", "Memory peak", "Notes")
NUMERIC = ("Job", "Ago", "Time", "Cores", "Memory peak")
RESULTS = {"success": "passed", "script_failure": "failed", "system_failure": "system failure"}


def print_runs(runs: list[Run], now: float) -> None:
    """One row a run, the newest first."""
    print_rows(HEADINGS, [_row(run, now) for run in runs], numeric=NUMERIC, empty="No job fits.")


def result_word(result: str) -> str:
    """How the job ended, as GitLab says it."""
    return RESULTS.get(result, result)


def _row(run: Run, now: float) -> list[str]:
    ended = run.began + run.seconds
    average = run.cpu_seconds / run.wall_seconds if run.cpu_seconds is not None and run.wall_seconds else None
    return [
        str(run.id),
        run.project,
        run.name,
        run.ref,
        age(now - ended) if 0 <= now - ended < now / 2 else UNKNOWN,
        result_word(run.result),
        span(run.seconds),
        cores(average),
        pair(run.memory_working_set_peak, run.memory_limit),
        " ".join(dict.fromkeys(run.verdicts)) or UNKNOWN,
    ]
