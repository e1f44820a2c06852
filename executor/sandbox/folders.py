"""The host folders that a job works in: its sources, kept for `GIT_STRATEGY: fetch` one a slot, and its cache.

    <builds_dir>/<runner>/<project>/<slot>[-protected]/     kept: `work` is mounted at builds_dir, `owner` names its job
    <builds_dir>/<runner>/<project>/job-<key>/              thrown away with the job, otherwise the same
    <cache_dir>/<runner>/<project>[-protected]/             kept, mounted at cache_dir; its time is its last job's begin

Protected refs share nothing with others. All folders but the mounted ones keep other users of the host out.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor.errors import SystemFailure
from executor.sandbox.mounted import take_caches_apart
from executor.sandbox.state import make_private
from executor.sandbox.wiping import wipe_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_FOR_SLOT_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class BuildsFolder:
    """`path` is what gets mounted. `owner_file` is the claim on a kept folder, "" for one that goes with the job."""

    path: str
    owner_file: str = ""

    @property
    def reusable(self) -> bool:
        """Whether the next job of the slot finds this job's sources."""
        return bool(self.owner_file)


def claim_builds_folder(
    base: str, slot: int | None, job_folder: str, *, keep: bool, protected: bool, project_path: str = ""
) -> BuildsFolder:
    """A folder for the job's sources below `base` that no living job uses, and without the secrets of one that did.

    A kept one where `keep` and the slot is known and free; else one that is thrown away.
    """
    if keep and slot is not None:
        folder = os.path.dirname(kept_work(base, slot, protected=protected))
        make_private(folder)
        if _claim(f"{folder}/owner", job_folder, project_path):
            return BuildsFolder(path=_open_to_all(f"{folder}/work"), owner_file=f"{folder}/owner")
    path = passing_work(base, job_folder)
    make_private(os.path.dirname(path))
    os.symlink(job_folder, f"{os.path.dirname(path)}/owner")
    return BuildsFolder(path=_open_to_all(path))


def kept_work(base: str, slot: int, *, protected: bool) -> str:
    """The mounted part of the folder that a slot keeps."""
    return f"{base}/{slot}{'-protected' if protected else ''}/work"


def passing_work(base: str, job_folder: str) -> str:
    """The mounted part of a folder that goes with its job."""
    return f"{base}/job-{os.path.basename(job_folder)}/work"


def cache_path(base: str, project_id: int, *, protected: bool) -> str:
    """Where the project's caches lie."""
    return f"{base}/{project_id}{'-protected' if protected else ''}"


def cache_folder(base: str, project_id: int, *, protected: bool) -> str:
    """The folder of the project's caches, marked as used now."""
    make_private(base)
    with locked(base):
        folder = _open_to_all(cache_path(base, project_id, protected=protected))
        os.utime(folder)
    return folder


def release(owner_file: str, job_folder: str, project_path: str = "") -> None:
    """Give a kept folder back without the job's secrets, if it is still this job's.

    Of several that end the same job only one may touch the folder: for the others it may be the next job's already.
    """
    if not os.path.isdir(os.path.dirname(owner_file)):
        return
    with locked(os.path.dirname(owner_file)):
        if owner_of(owner_file) == job_folder:
            _void(owner_file, project_path)


def _claim(owner_file: str, job_folder: str, project_path: str) -> bool:
    """Take the folder. One whose job has just ended is free in a moment; one whose job is gone, at once."""
    deadline = time.monotonic() + WAIT_FOR_SLOT_SECONDS
    while not _take(owner_file, job_folder, project_path):
        if not _owner_is_leaving(owner_file) or time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _take(owner_file: str, job_folder: str, project_path: str) -> bool:
    """Take the folder if it is nobody's. The claim of a job without a folder is void; nobody cleaned up after it."""
    with locked(os.path.dirname(owner_file)):
        owner = owner_of(owner_file)
        if owner and os.path.isdir(owner):
            return False
        if owner and not _is_void(owner_file, project_path):
            return False
        os.symlink(job_folder, owner_file)
        return True


def _is_void(owner_file: str, project_path: str) -> bool:
    """End the claim of a job that is gone; whether that could be done."""
    try:
        _void(owner_file, project_path)
    except SystemFailure:
        return False
    return True


def _void(owner_file: str, project_path: str) -> None:
    """End a claim, in the folder's lock: what its job must not leave to the next one goes first."""
    take_caches_apart(os.path.dirname(owner_file), kept=True)
    wipe_secrets(f"{os.path.dirname(owner_file)}/work", project_path)
    os.unlink(owner_file)


def _owner_is_leaving(owner_file: str) -> bool:
    """Whether the job that holds the folder has ended, or is gone by now."""
    owner = owner_of(owner_file)
    return not os.path.isdir(owner) or os.path.exists(f"{owner}/ended")


def owner_of(owner_file: str) -> str:
    """The folder of the job that holds the claim, "" for none."""
    try:
        return os.readlink(owner_file)
    except FileNotFoundError:
        return ""


@contextmanager
def locked(folder: str) -> Iterator[None]:
    """A look at a claim and the step that follows from it are one: nobody else comes between."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open_to_all(folder: str) -> str:
    """A folder for containers: any user in them may write. The one above it is private."""
    if not os.path.isdir(folder):
        os.mkdir(folder)
        os.chmod(folder, 0o777)  # noqa: S103 (any user of the container)
    return folder
