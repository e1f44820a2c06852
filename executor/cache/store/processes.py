"""What tells one process, and one boot, from all others: leases of work that belongs to no job, and unsynced layers."""

from __future__ import annotations

import os

OWN = "process."


def boot_id() -> str:
    """The kernel's name of this boot."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def own_lease(purpose: str = "") -> str:
    """A lease that ends with this process; `purpose` tells apart several of it."""
    lease = f"{OWN}{os.getpid()}.{_started(os.getpid())}"
    return f"{lease}.{purpose}" if purpose else lease


def is_living(lease: str) -> bool:
    """Whether the process of an `own_lease` is still there."""
    pid, _, rest = lease.removeprefix(OWN).partition(".")
    return pid.isdigit() and _started(int(pid)) == rest.partition(".")[0]


def _started(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name of the program, in brackets, may hold anything.
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()
