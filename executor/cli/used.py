"""`executor used`: what the containers of an attempt have used so far, for `executor exec`, which calls it before
`cleanup`."""

from __future__ import annotations

import json
import os

from executor.errors import SUCCESS
from executor.inspection.use import cpu_seconds
from executor.sandbox.state import job_folder, load
from executor.sandbox.workplace import engine_of
from executor.terminal import show

VERSION = 1


def main(arguments: list[str]) -> int:
    """Print JSON: `version`, and `cpu_seconds` of all the attempt's containers together."""
    folder = job_folder()
    seconds = cpu_seconds(engine_of(load(folder)), os.path.basename(folder))
    show(json.dumps({"version": VERSION, "cpu_seconds": round(seconds, 3)}))
    return SUCCESS
