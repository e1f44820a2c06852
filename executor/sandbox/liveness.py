"""Whether a job is still somebody's: its runner lives and has not finished with it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


RUNNER = "gitlab-runner"
FIRST_PROCESS = 1
NOBODY = 0

# How long a job may take to be prepared and cleaned up, beyond the time that GitLab gives it.
AROUND_SECONDS = 3600
UNKNOWN_TIMEOUT = 86400


def claim_of_caller(timeout: int = 0) -> dict[str, Any]:
    """Who this job belongs to: the process that called us, told apart from a later one of the same number.

    `timeout` is the job's, in seconds: whoever cannot see that process believes that the job lives for so long.
    """
    runner = _runner_above(os.getppid())
    return {
        "pid": runner,
        "started": _start_time(runner),
        "boot": _boot_id(),
        "folder": os.environ["TMPDIR"],
        "processes": _namespace(),
        "until": time.time() + (timeout or UNKNOWN_TIMEOUT) + AROUND_SECONDS,
    }


def lives(claim: Mapping[str, Any]) -> bool:
    """Whether the runner of `claim` still runs, and still keeps the attempt's folder.

    The runner removes that folder when the job is over, whatever became of `cleanup`. A runner that was gone before
    its start could be noted is dead. One that runs in a container of its own cannot be seen from here.
    """
    if claim["boot"] != _boot_id():
        return False
    if claim.get("processes", _namespace()) != _namespace():
        return time.time() < float(claim["until"])
    started = claim["started"]
    return started != "" and started == _start_time(claim["pid"]) and os.path.isdir(claim["folder"])


def _runner_above(caller: int) -> int:
    """The gitlab-runner that is our ancestor, else the caller itself: a wrapper script ends with its call.

    `NOBODY` where the kernel gave us to the first process, as the caller is gone: that one would live for ever.
    """
    pid = caller
    while pid >= FIRST_PROCESS:
        name, parent = _name_and_parent(pid)
        if name.startswith(RUNNER):
            return pid
        pid = parent
    return NOBODY if caller == FIRST_PROCESS else caller


def _name_and_parent(pid: int) -> tuple[str, int]:
    try:
        with open(f"/proc/{pid}/stat") as file:
            head, _, rest = file.read().rpartition(")")
    except OSError:
        return "", 0
    return head.partition("(")[2], int(rest.split()[1])


def _start_time(pid: int) -> str:
    """When the process started, in clock ticks since boot; "" where there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _namespace() -> str:
    """Which processes can be seen: numbers mean nothing to others."""
    return os.readlink("/proc/self/ns/pid")


def _boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()
