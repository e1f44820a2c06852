"""After a job: GitLab is told what is news of it, with the operator's token. Nobody waits for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executor.errors import ExecutorError
from executor.report.telling import Channels, news_of, tell_gitlab
from executor.sandbox.measured_end import TELLING, forget_failure, note_failure
from executor.stages.verdict import history_says
from executor.usage.clues import clues_of
from executor.usage.summary import summarize
from executor.usage.verdicts import judge

if TYPE_CHECKING:
    from collections.abc import Mapping


def tell_news(data: Mapping[str, Any]) -> None:
    """Tell what the job's measured `data` says. A failure is left for the next `cleanup` to say, once."""
    usage = summarize(data)
    comparison = history_says(data, usage)
    news = news_of(judge(usage, clues_of(data, comparison)), comparison)
    if not news:
        return
    try:
        tell_gitlab(Channels(**data["channels"]), usage, news)
    except ExecutorError as error:
        note_failure(data["state_dir"], TELLING, error.one_line())
    else:
        forget_failure(data["state_dir"], TELLING)
