"""What the history says about a job that has just ended."""

from __future__ import annotations

from dataclasses import replace

from executor.usage.history.queries import runs_of_job
from executor.usage.history.short import in_short
from executor.usage.regression import compared
from executor.usage.rightsizing import suggestions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.usage.comparison import Comparison
    from executor.usage.model import Usage
    from executor.usage.rightsizing import Bounds

# Enough for the default branch's runs to be among them where others are more frequent.
LOOKED_AT = 200


def comparison_of(path: str, usage: Usage, bounds: Bounds | None = None, *, before: int | None = None) -> Comparison:
    """The job against its earlier runs, and the limits that suit it; whether it is recorded yet does not matter.

    `before` is the number of a run of long ago: what came after it does not count. Raises HistoryError where the
    history in `path` cannot be read, or is not there yet.
    """
    run, job = in_short(usage), usage.job
    runs = runs_of_job(path, job.project_id, job.project, job.key, limit=LOOKED_AT)
    others = [one for one in runs if (one.runner, one.id) != (run.runner, run.id)]
    earlier = [one for one in others if before is None or one.number < before]
    return replace(compared(run, earlier), suggestions=suggestions([run, *earlier], bounds))
