"""What the stage loop says, line by line.

Scripts can write to its FIFO as well: whatever they say harms nobody but their own job.

On the hot path: no imports.
"""

from __future__ import annotations

LONGEST_LINE = 1 << 20
MOST_DIGITS = 3
READY = b"ready"
# A container that shares another's processes says so among them.
SHARED = b"shared"


class Words:
    """The lines of one status FIFO as they come. Of a line without end only so much is kept."""

    def __init__(self) -> None:
        self._rest = b""

    def lines(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes."""
        *whole, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-LONGEST_LINE:]
        return whole


def exit_code_in(line: bytes, stage_id: str) -> int | None:
    """The exit code of `stage_id`, None where the line does not tell it."""
    name, _, code = line.partition(b" ")
    if name == stage_id.encode() and code.isdigit() and len(code) <= MOST_DIGITS:
        return int(code)
    return None


def is_ready(line: bytes) -> bool:
    """Whether the line is the loop's `ready PID BASELINE`: numbers of processes and nothing else."""
    words = line.split()
    return words[:1] == [READY] and len(words) > 2 and all(word.isdigit() or word == SHARED for word in words[1:])
