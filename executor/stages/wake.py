"""Hearing that we are to stop, while the output of a stage is passed on.

On the hot path. The public `signal` module makes enums of its numbers, which costs every call 4 of its 15 ms; what it
wraps is in the interpreter already.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    try:
        import _signal as signal
    except ImportError:
        import signal


def wake_on_signals() -> int:
    """A descriptor that becomes readable when this process is told to stop, by SIGTERM or SIGINT."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return reading
