"""How often a stage is run whose container vanished under it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.plan.request import Request

VARIABLE = "EXECUTOR_JOB_SECTION_ATTEMPTS"
MOST = 10
LONGEST = len(str(MOST))


def stage_attempts(request: Request) -> int:
    """1 to 10; a number outside is a warning and means 1."""
    asked = request.host.variables.get(VARIABLE, "").strip()
    if not asked:
        return 1
    if asked.isascii() and asked.isdigit() and len(asked) <= LONGEST and 1 <= int(asked) <= MOST:
        return int(asked)
    request.warn(f"{VARIABLE} is not a number from 1 to {MOST}: every stage is run once.")
    return 1
