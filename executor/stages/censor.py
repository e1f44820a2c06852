"""Keeps the script itself out of the job log.

The runner's scripts are one `eval '...'` with every variable in it. When its shell is killed by a signal, the bash
around it prints the whole command, secrets included:

    bash: line 7:     9 Done                    :
            10 Killed                  | eval 'export SECRET=...

On the hot path: no imports.
"""

from __future__ import annotations

COMMAND = b" eval '"
FATES = (b"Killed", b"Segmentation fault", b"Aborted", b"Terminated", b"Hangup", b"Bus error", b"Quit", b"Interrupt")
LONGEST_OBITUARY = 512
INSTEAD = b"The shell that ran the script was ended by a signal.\n"


class Censor:
    """Watches standard error of one stage. What follows such an obituary comes from the dying shell alone."""

    def __init__(self) -> None:
        self._silent = False
        self._line = b""

    def clean(self, data: bytes) -> bytes:
        """What of `data` may be shown. Nothing is held back: the secrets come after the words that give them away."""
        if self._silent:
            return b""
        shown = len(self._line)
        text = self._line + data
        if (at := _obituary(text)) is None:
            self._line = _unfinished_line(text)
            return data
        self._silent = True
        return text[shown:at] + (b"\n" if at < shown else b"") + INSTEAD


def _unfinished_line(text: bytes) -> bytes:
    """The line that the next piece may go on with; of a long one a start that no obituary has."""
    line = text[text.rfind(b"\n") + 1 :]
    return line if len(line) <= LONGEST_OBITUARY else b"-"


def _obituary(data: bytes) -> int | None:
    """Where a line begins that tells of a shell's death and shows its command; None where there is none."""
    at = data.find(COMMAND)
    while at >= 0:
        begin = data.rfind(b"\n", 0, at) + 1
        if _fate_in(data[begin:at]):
            return begin
        at = data.find(COMMAND, at + 1)
    return None


def _fate_in(line: bytes) -> bool:
    """Whether the line is, so far, one of bash's about a process that died: a number, a fate, then its command."""
    words = line.rpartition(b": line ")[2].rpartition(b":")[2].lstrip()
    pid, _, fate = words.partition(b" ")
    return pid.isdigit() and fate.lstrip().startswith(FATES)
