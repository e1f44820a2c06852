"""What earlier runs of a job say about this one."""

from __future__ import annotations

from dataclasses import dataclass

TIME = "time"
CPU = "cpu"
MEMORY = "memory"

REGRESSION = "regression"
NOISY = "noisy"

RAISE = "raise"
LOWER = "lower"
KEEP = "keep"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One quantity against the default branch: TIME in seconds, CPU in core seconds, MEMORY in bytes.

    `judgement` is REGRESSION, NOISY where the runs differ too much to tell, or "".
    """

    quantity: str
    value: float
    median: float
    judgement: str = ""


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """The limit that `runs` runs speak for: MEMORY in bytes or CPU in cores.

    `direction` is RAISE, LOWER or KEEP. `largest` is the most that was used. `limit` is the present one, None for
    unlimited. `reason` is one word: oom, near-limit, throttled, unused, or "".
    """

    resource: str
    value: float
    direction: str
    runs: int
    largest: float
    limit: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A job against the newest `runs` good runs of it on the default branch, and the limits that suit it.

    `branch` is the default branch's name, "" where none of its runs is known.
    """

    branch: str = ""
    runs: int = 0
    changes: tuple[Change, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()

    def regressions(self) -> tuple[Change, ...]:
        """The quantities that are worth telling people about."""
        return tuple(change for change in self.changes if change.judgement == REGRESSION)
