"""Telling the process that measures a job what happens, and asking it.

On the hot path: no imports but these. Each word costs some microseconds, and is lost where nobody listens.
"""

from __future__ import annotations

import os
import time

LONGEST_NAME = 200
ANSWER_SECONDS = 0.5
OOM_FILE_SIZE = 512


def tell(folder: str, word: str, rest: str = "") -> bool:
    """Say `word` to the process that measures the job of `folder`; whether it is there."""
    try:
        descriptor = os.open(f"{folder}/usage/events", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        os.write(descriptor, f"{word} {rest}\n".encode(errors="replace"))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def tell_begin(folder: str, stage: str) -> None:
    """The stage begins. Its name may be the job's own: one line, of no great length."""
    tell(folder, "begin", f"{time.monotonic_ns()} {' '.join(stage[:LONGEST_NAME].split())}")


def tell_end(folder: str, code: int) -> None:
    """The stage has ended with `code`."""
    tell(folder, "end", f"{time.monotonic_ns()} {code}")


def oom_kills(folder: str) -> int:
    """How many processes the kernel has killed for memory in the build container; 0 where that is not known."""
    try:
        descriptor = os.open(f"{folder}/usage/oom", os.O_RDONLY)
    except OSError:
        return 0
    try:
        words = os.read(descriptor, OOM_FILE_SIZE).split()
    except OSError:
        return 0
    finally:
        os.close(descriptor)
    return int(words[words.index(b"oom_kill") + 1]) if b"oom_kill" in words else 0


def ask(folder: str, word: str, seconds: float = ANSWER_SECONDS) -> bool:
    """Say `word` and wait until what it asks for is done; False where nobody answers in time."""
    import select

    try:
        answer = os.open(f"{folder}/usage/answer", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return tell(folder, word) and bool(select.select([answer], [], [], seconds)[0])
    finally:
        os.close(answer)
