"""Why a stage failed, told right where it did: only where measurements or the script's last words show it."""

from __future__ import annotations

import os

from executor.errors import JobError
from executor.report.columns import wrapped
from executor.sandbox.measuring import read_data
from executor.stages.measured import ask
from executor.terminal import log, log_failure, log_warning, printable
from executor.usage.clues import clues_of
from executor.usage.summary import summarize
from executor.usage.verdicts import ERROR, WARNING, judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from executor.usage.comparison import Comparison
    from executor.usage.model import Usage, Verdict

OUT_OF_MEMORY = "oom"
CANCELED = "canceled"


def tell_verdicts(job_folder: str) -> None:
    """Say what is known to be wrong so far and was not said before. Of a job that is not measured that is nothing."""
    ask(job_folder, "save")
    data = read_data(job_folder)
    if data is None:
        return
    try:
        usage = summarize(data)
    except (KeyError, TypeError, ValueError):
        return
    clues = clues_of(data, _history(data, usage))
    for verdict in judge(usage, clues):
        if _is_for_log(verdict) and _is_news(job_folder, verdict, usage):
            _tell(verdict)


def history_says(data: Mapping[str, Any], usage: Usage) -> Comparison | None:
    """The job against its earlier runs; None where there is no history that can be read."""
    from executor.usage.history.compare import comparison_of
    from executor.usage.history.failures import HistoryError
    from executor.usage.history.file import history_file
    from executor.usage.rightsizing import Bounds

    path = history_file(data["state_dir"])
    memory, cpus = data["bounds"]
    try:
        return comparison_of(path, usage, Bounds(memory=memory, cpus=cpus)) if os.path.exists(path) else None
    except HistoryError:
        return None


def _history(data: Mapping[str, Any], usage: Usage) -> Comparison | None:
    """Only a kill has advice that the history makes better."""
    return history_says(data, usage) if any(one.whole.oom_kills for one in usage.containers) else None


def _is_for_log(verdict: Verdict) -> bool:
    """What explains a failure, or a kill that the job got over; the rest is for the section at the job's end."""
    return verdict.severity == ERROR or verdict.code in (OUT_OF_MEMORY, CANCELED)


def _is_news(job_folder: str, verdict: Verdict, usage: Usage) -> bool:
    """Whether it has not been told; another kill is."""
    kills = sum(one.whole.oom_kills or 0 for one in usage.containers)
    key = f"{verdict.code}:{kills if verdict.code == OUT_OF_MEMORY else ''}"
    path = f"{job_folder}/usage/told"
    try:
        with open(path, "a+") as file:
            file.seek(0)
            if key in file.read().split():
                return False
            file.write(f"{key}\n")
    except OSError:
        pass
    return True


def _tell(verdict: Verdict) -> None:
    """Names of processes and services are the job's: they move no cursor."""
    happened = printable(verdict.happened)
    rest = "\n".join(wrapped(printable(" ".join(text for text in (verdict.evidence, verdict.advice) if text))))
    if verdict.severity == ERROR:
        log_failure(JobError(happened, fix=rest))
        return
    tell = log_warning if verdict.severity == WARNING else log
    tell(happened)
    if rest:
        log(rest)
