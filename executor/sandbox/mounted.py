"""Caches that are mounted on a folder of sources: nobody may remove, give back or take it before they are gone.

On the hot path: what only such a folder needs is imported there.
"""

from __future__ import annotations

import os

# Written beside the mounted folder before anything is mounted: see `executor.cache.jobs.notes`.
MARKER = "cached"


def take_caches_apart(folder: str, *, kept: bool) -> None:
    """Unmount what is mounted in `folder`, whose sources are `kept` for the slot's next job or not.

    Nothing of the job may run any more. `SystemFailure` while it is in use all the same.
    """
    if os.path.exists(f"{folder}/{MARKER}"):
        from executor.cache.jobs.ending import take_apart

        take_apart(folder, kept=kept)
