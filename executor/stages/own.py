"""Stages of the driver's own, between those of the runner: a few lines of shell in a living container."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from executor.sandbox.state import write_private
from executor.stages.run import run_stage

if TYPE_CHECKING:
    from collections.abc import Iterator


def run_own(job_folder: str, role: str, text: str, *, output: str = "") -> int:
    """Run `text` in the job's container of `role` as its user; its exit code.

    What it writes goes to the job log, standard output to the new file `output` where one is named.
    """
    path = f"{job_folder}/own-{os.getpid()}"
    write_private(path, text)
    try:
        with _output_to(output):
            return run_stage(job_folder, role, path)
    finally:
        os.unlink(path)


@contextmanager
def _output_to(path: str) -> Iterator[None]:
    """Let standard output lead to a file for a while."""
    if not path:
        yield
        return
    kept = os.dup(1)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.dup2(file, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(file)
        os.close(kept)
