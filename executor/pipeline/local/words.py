"""How results, durations and marks are written, with and without Unicode."""

from __future__ import annotations

from executor.terminal import speaks_unicode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from executor.pipeline.local.model import Status

RESULTS: dict[Status, str] = {
    "passed": "passed",
    "warned": "failed, allowed",
    "failed": "failed",
    "canceled": "canceled",
    "skipped": "not run",
    "manual": "not run",
}
COLOURS: dict[Status, str] = {
    "passed": "green",
    "warned": "yellow",
    "failed": "red",
    "canceled": "yellow",
    "skipped": "dim",
    "manual": "dim",
}
_MARKS: dict[Status, str] = {
    "passed": "✔",
    "warned": "▲",
    "failed": "✖",
    "canceled": "✖",
    "skipped": "–",
    "manual": "–",
}
_ASCII_MARKS: dict[Status, str] = {
    "passed": "ok",
    "warned": "!",
    "failed": "FAIL",
    "canceled": "FAIL",
    "skipped": "-",
    "manual": "-",
}


class Words:
    """Marks and separators that the stream can show."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.unicode = speaks_unicode(stream)
        self.separator = "·" if self.unicode else "-"
        self.running = "▶" if self.unicode else ">"
        self.waiting = "·" if self.unicode else "."
        self.ellipsis = "…" if self.unicode else "..."
        self.spinner = "dots" if self.unicode else "line"

    def mark(self, status: Status) -> str:
        """The sign of a result."""
        return (_MARKS if self.unicode else _ASCII_MARKS)[status]

    def printable(self, text: str) -> str:
        """`text` with what the stream cannot show replaced."""
        return text if self.unicode else text.encode("ascii", "replace").decode()


def duration(seconds: float) -> str:
    """`0.8 s`, `14.0 s`, `6 m 12 s`, `1 h 02 m`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} m {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} m"


def clock(seconds: float) -> str:
    """`00:12`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:02d}:{rest:02d}"
