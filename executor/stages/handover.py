"""Handing the project folder to the build container's user, once, between the helper's stages and the job's own.

The user is whoever runs the scripts: the image's, the job's, the operator's, or whom an entrypoint turns to. So it is
the build container that leaves a file, and the helper that looks whose that is.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from executor.errors import ExecutorError
from executor.job.stages import BUILD, HELPER
from executor.sandbox.environment_file import quoted
from executor.sandbox.handover import take_handover
from executor.sandbox.state import load
from executor.stages.channel import Channel
from executor.stages.own import run_own
from executor.terminal import log_warning

if TYPE_CHECKING:
    from executor.plan.model import Handover

PAUSE_SECONDS = 0.02


def hand_over_sources(job_folder: str) -> None:
    """Give project folder and `<project>.tmp` to the build container's user. What cannot be is a warning."""
    handover = take_handover(job_folder)
    # An entrypoint that never runs its command is the job itself: asking it here would run it once more.
    if not _comes_to_listen(job_folder):
        return
    if run_own(job_folder, BUILD, leave_mark(handover)) or run_own(job_folder, HELPER, give_away(handover)):
        log_warning(f"Not all of {handover.project_dir} could be given to the user of the build container.")


def leave_mark(handover: Handover) -> str:
    """Shell for the build container: a new file, whatever an earlier job left in its place."""
    mark = quoted(handover.mark)
    return f"rm -rf '{mark}'; : > '{mark}'\n"


def give_away(handover: Handover) -> str:
    """Shell for the helper, with options that GNU and busybox know. Links are not followed; root has it all already.

    A line for each file that cannot be given away would drown the job log: one warning tells of all. What is theirs
    already is not touched: of a mounted cache every file would be copied for it.
    """
    mark, project = quoted(handover.mark), quoted(handover.project_dir)
    return f"""
owner=$(stat -c %u:%g '{mark}') && rm -f '{mark}' || exit
[ "$owner" = 0:0 ] ||
  find '{project}' '{project}.tmp' \\( ! -user "${{owner%:*}}" -o ! -group "${{owner#*:}}" \\) \\
    -exec chown -h "$owner" {{}} + 2>/dev/null
"""


def _comes_to_listen(job_folder: str) -> bool:
    """Wait for the build container's loop; False where the container ends without one."""
    channel = Channel(f"{job_folder}/{BUILD}/ctl")
    while not channel.listens():
        if not _runs(job_folder):
            return False
        time.sleep(PAUSE_SECONDS)
    return True


def _runs(job_folder: str) -> bool:
    """Whether the container runs. What is amiss with one that cannot be asked, its stage will tell."""
    from executor.sandbox.workplace import engine_of

    facts = load(job_folder)
    try:
        state = engine_of(facts).inspect_container(facts["containers"][BUILD]).value()["State"]
    except ExecutorError:
        return False
    return bool(state["Running"])
