"""The only writer: lines of the job log, and tables and progress on a person's terminal.

Driver phases write plain lines; `rich` is loaded only by commands that a person typed.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import Console

    from executor.errors import ExecutorError

RED = "\x1b[31;1m"
YELLOW = "\x1b[33;1m"
GREEN = "\x1b[32;1m"
RESET = "\x1b[0;m"
FRESH_LINE = "\x1b[0K"


def log(text: str) -> None:
    """One line of the job log. Every message ends its line: else GitLab glues it to the next section mark."""
    _write(sys.stdout, f"{text}\n")


def log_warning(text: str) -> None:
    """A yellow line of the job log."""
    _write(sys.stdout, f"{YELLOW}WARNING: {text}{RESET}\n")


def log_step(text: str) -> None:
    """A green line of the job log, as gitlab-runner's scripts announce what they do."""
    _write(sys.stdout, f"{GREEN}{text}{RESET}\n")


def log_notice(text: str) -> None:
    """A yellow line of the job log, as gitlab-runner's scripts tell what did not come to pass."""
    _write(sys.stdout, f"{YELLOW}{text}{RESET}\n")


def log_section(name: str, title: str, lines: list[str], *, folded: bool) -> None:
    """A part of the job log that GitLab shows closed, only its title; plain lines where it cannot (`folded` false)."""
    import time

    now = int(time.time())
    begin = f"{FRESH_LINE}section_start:{now}:{name}[collapsed=true,hide_duration=true]\r{FRESH_LINE}" if folded else ""
    end = f"{FRESH_LINE}section_end:{now}:{name}\r{FRESH_LINE}" if folded else ""
    _write(sys.stdout, f"{begin}{title}\n" + "".join(f"{line}\n" for line in lines) + end)


def log_failure(error: ExecutorError, *, beside_answer: bool = False) -> None:
    """What happened, in red, then what to do: where the job's reader will look.

    `beside_answer` takes standard error, for a phase whose standard output the runner parses.
    """
    what, *advice = error.paragraphs()
    stream = sys.stderr if beside_answer else sys.stdout
    _write(stream, "".join([f"{RED}{what}{RESET}\n", *(f"{line}\n" for line in advice)]))


def complain(text: str) -> None:
    """One line to standard error: the fate of a command that went wrong."""
    _write(sys.stderr, f"executor: {text}\n")


def trace(error: BaseException) -> None:
    """Where an error comes from, to standard error: for `--debug` only, it may show what messages must not."""
    from traceback import format_exception

    _write(sys.stderr, "".join(format_exception(error)))


def show(text: str, stream: TextIO | None = None) -> None:
    """One line of a command's result on `stream`, standard output by default."""
    _write(stream or sys.stdout, f"{text}\n")


def printable(text: str) -> str:
    """`text` for one line of a terminal: what a job named or wrote moves no cursor and sets no colour."""
    return "".join(character if character.isprintable() or character == "\t" else "?" for character in text)


def speaks_unicode(stream: TextIO | None = None) -> bool:
    """Whether the locale and the stream can show more than ASCII."""
    words = [os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)]
    encoding = (stream or sys.stdout).encoding or ""
    return "utf" in encoding.lower() and bool(words) and "utf" in words[0].lower()


def log_is_unicode() -> bool:
    """Whether the job log can show more than ASCII: GitLab's always, unless the runner's locale speaks against it."""
    words = [os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)]
    return "utf" in words[0].lower() if words else "utf" in (sys.stdout.encoding or "").lower()


def moves(stream: TextIO | None = None) -> bool:
    """Whether things may move on `stream`: it is a terminal that can do more than print."""
    return (stream or sys.stdout).isatty() and os.environ.get("TERM", "dumb") != "dumb"


def console(stream: TextIO | None = None) -> Console:
    """A rich console on `stream` (standard output by default) that honours NO_COLOR and dumb terminals."""
    from rich.console import Console

    return Console(file=stream or sys.stdout, highlight=False, soft_wrap=False)


def _write(stream: TextIO, text: str) -> None:
    """Write at once. A reader that is gone must not end us half way through making or removing things."""
    try:
        stream.write(text)
        stream.flush()
    except UnicodeEncodeError:
        # A name from a job, or a stream that knows less than UTF-8: shown as escapes, not lost.
        _write(stream, text.encode(stream.encoding, "backslashreplace").decode(stream.encoding))
    except (OSError, ValueError):
        _silence(stream)


def _silence(stream: TextIO) -> None:
    """Send all further output nowhere: the runner has died or closed its pipe."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
