"""Running checks side by side, each with a time limit: one that hangs or crashes is one row, whatever became of it."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from executor.doctor.model import Check, Finding, Skip, Verdict
from executor.errors import ExecutorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.doctor.scene import Scene

# All begin at the same time, so this is how long the whole takes at most.
SECONDS = 2.5


def examine(scene: Scene, checks: Sequence[Check], seconds: float = SECONDS) -> list[Finding]:
    """What each check says, in their order."""
    began = time.monotonic()
    tries = [_Try(scene, check) for check in checks]
    for one in tries:
        one.start()
    return [one.finding(max(0.0, began + seconds - time.monotonic()), seconds) for one in tries]


class _Try:
    """One check in a thread of its own, which is left behind when its time is over."""

    def __init__(self, scene: Scene, check: Check) -> None:
        self._scene = scene
        self._check = check
        self._began = time.monotonic()
        self._outcome: tuple[Verdict, float] | None = None
        self._thread = threading.Thread(target=self._look, name=check.id, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._began = time.monotonic()
        self._thread.start()

    def finding(self, seconds_left: float, limit: float) -> Finding:
        """What it said within the time that is left."""
        self._thread.join(seconds_left)
        verdict, took = self._outcome or (_too_slow(limit), time.monotonic() - self._began)
        return Finding(check=self._check, verdict=verdict, milliseconds=round(took * 1000))

    def _look(self) -> None:
        verdict = verdict_of(self._scene, self._check)
        self._outcome = verdict, time.monotonic() - self._began


def verdict_of(scene: Scene, check: Check) -> Verdict:
    """What a check says; a crash of its own is a verdict as well."""
    try:
        return check.look(scene)
    except Skip as reason:
        return Verdict(status="skipped", found=str(reason))
    except ExecutorError as failure:
        # Somebody else's failure, which another check is there to tell of.
        return Verdict(status="skipped", found=failure.what)
    except Exception as bug:
        return _crashed(bug)


def _too_slow(limit: float) -> Verdict:
    return Verdict(
        status="warning",
        found=f"It gave no result within {limit:g} s.",
        why="What it looks at hangs or is very slow, and jobs wait for it as well.",
        fix=("executor doctor CHECK   # this check alone", "top; dmesg | tail"),
    )


def _crashed(bug: Exception) -> Verdict:
    """The text of an exception may hold anything: only its kind and place are told."""
    trace = bug.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "?"
    reason = f": {bug.strerror}" if isinstance(bug, OSError) and bug.strerror else ""
    return Verdict(
        status="crashed",
        found=f"The check itself failed ({type(bug).__name__} at {place}{reason}).",
        why="This is a fault of executor doctor, not of the host.",
        fix=("executor doctor --report   # and open an issue with it",),
    )
