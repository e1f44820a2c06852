"""When to stop: what the user's interrupts ask for, and what time is left."""

from __future__ import annotations

import re
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

CANCELED = "canceled"
TIMED_OUT = "timed out"


class Control:
    """The user's interrupts: the first cancels gracefully, the second ends everything but the clean-up."""

    def __init__(self) -> None:
        self._interrupts = 0
        self.changed = threading.Event()

    def interrupt(self) -> int:
        """Note an interrupt; return how many there were."""
        self._interrupts += 1
        self.changed.set()
        return self._interrupts

    @property
    def canceled(self) -> bool:
        """Whether jobs must not start any more, and running scripts end."""
        return self._interrupts > 0

    @property
    def aborted(self) -> bool:
        """Whether nothing but the clean-up may still run."""
        return self._interrupts > 1


class Limit:
    """A time limit that begins now."""

    def __init__(self, seconds: float | None) -> None:
        self._until = time.monotonic() + seconds if seconds else float("inf")

    def reason(self) -> str:
        """Why to stop, or ""."""
        return TIMED_OUT if time.monotonic() > self._until else ""


class JobClock:
    """One try of a job: its time limit, and the user's wish to stop."""

    def __init__(self, control: Control, timeout: int) -> None:
        self._control = control
        self._limit = Limit(timeout)

    def before_script(self) -> str:
        """Why to stop while the job is being prepared: a cancel ends all of it."""
        return CANCELED if self._control.canceled else self.ended()

    def during_script(self, timeout: float | None) -> Callable[[], str]:
        """Why to stop the user's script, which may have a limit of its own (seconds from now)."""
        limit = Limit(timeout)
        return lambda: limit.reason() or self.before_script()

    def after_script(self, timeout: float) -> Callable[[], str]:
        """Why to stop after_script: a graceful cancel lets it run."""
        limit = Limit(timeout)
        return lambda: limit.reason() or self.ended()

    def ended(self) -> str:
        """Why nothing but the clean-up may run any more, or ""."""
        return CANCELED if self._control.aborted else self._limit.reason()


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = r"(\d+(?:\.\d+)?)(ms|h|m|s)"


def parse_go_duration(text: str) -> float | None:
    """Seconds of a duration such as `1h30m` or `90s`; None for anything that is not one, or not above zero."""
    if not re.fullmatch(f"(?:{_PART})+", text.strip()):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, text)) or None
