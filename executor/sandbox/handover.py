"""That the sources are to change hands: noted by `prepare`, for the first stage in the build container.

<job>/handover      two paths in the containers, a line each: see `plan.model.Handover`
"""

from __future__ import annotations

import os
from dataclasses import astuple

from executor.plan.model import Handover
from executor.sandbox.state import write_private


def ask_for_handover(folder: str, handover: Handover) -> None:
    """Note it. Neither path has a line end: the plan sees to that."""
    write_private(f"{folder}/handover", "\n".join(astuple(handover)))


def take_handover(folder: str) -> Handover:
    """What is to change hands. It is taken: nobody is asked to do it again."""
    with open(f"{folder}/handover") as file:
        project_dir, mark = file.read().split("\n")
    os.unlink(f"{folder}/handover")
    return Handover(project_dir=project_dir, mark=mark)
