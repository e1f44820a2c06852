"""The process that measures a job, at the job's end."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from executor.sandbox.sampler import Sampler
from executor.usage.summary import ABANDONED

if TYPE_CHECKING:
    from pathlib import Path


def status_after_a_look(folder: Path, said: bytes) -> str:
    """How the job ended, for a sampler that finds the end marked when it looks, and was told `said` a moment before."""
    (folder / "usage").mkdir()
    os.mkfifo(folder / "usage" / "events")
    events = os.open(folder / "usage" / "events", os.O_RDWR | os.O_NONBLOCK)
    sampler = Sampler(str(folder), {"began": time.time()}, [], events, 1.0, None)
    os.write(events, said)
    (folder / "ended").touch()
    sampler._look(time.monotonic())
    os.close(events)
    return str(sampler._recording.status)


def test_what_was_said_of_the_end_counts_though_its_mark_is_seen_first(tmp_path: Path) -> None:
    assert status_after_a_look(tmp_path, b"finish success\n") == "success"


def test_a_marked_end_of_which_nobody_spoke_is_an_abandoned_job(tmp_path: Path) -> None:
    assert status_after_a_look(tmp_path, b"") == ABANDONED
