"""Stages of the driver's own, between those of the runner: a few lines of shell in a living container."""

from __future__ import annotations

import os

from executor.sandbox.state import write_private
from executor.stages.run import run_stage


def run_own(job_folder: str, role: str, text: str) -> int:
    """Run `text` in the job's container of `role` as its user; its exit code. What it writes goes to the job log."""
    path = f"{job_folder}/own-{os.getpid()}"
    write_private(path, text)
    try:
        return run_stage(job_folder, role, path)
    finally:
        os.unlink(path)
