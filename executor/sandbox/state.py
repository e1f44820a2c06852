"""What is known of a job between the driver's calls: a folder that only the driver's account can enter.

    <state_dir>/jobs/<key>/state.json       who the job is, what was made for it, whose runner it belongs to
    <state_dir>/jobs/<key>/stage            the name of the stage that `run` began last
    <state_dir>/jobs/<key>/ended            the job is over: what is left is to be removed
    <state_dir>/jobs/<key>/helper/ctl/      control folder of the helper's stage loop
    <state_dir>/jobs/<key>/build/ctl/       control folder of the build container's stage loop

The runner's TMPDIR, one for each attempt and closed to the job, holds a link to the job's folder: job variables cannot
reach it, and no call has to search.

On the hot path: what only some calls need is imported there.
"""

from __future__ import annotations

import os

from executor.errors import OperatorError, SystemFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

VERSION = 1
LINK = "virida-executor"


def temporary_folder() -> str:
    """The runner's folder for this attempt."""
    folder = os.environ.get("TMPDIR", "")
    if not os.path.isdir(folder):
        raise OperatorError(
            "TMPDIR names no folder: this was not started by gitlab-runner.",
            fix="The driver's phases are for `[runners.custom]`; to run a job by hand use `executor exec`.",
        )
    return folder


def linked_folder() -> str | None:
    """The folder of the job that this attempt prepared, None where there is none."""
    try:
        return os.readlink(f"{temporary_folder()}/{LINK}")
    except FileNotFoundError:
        return None


def job_folder() -> str:
    """The folder of the job that this attempt prepared."""
    folder = linked_folder()
    if folder is None or not os.path.isdir(folder):
        raise SystemFailure(
            "Nothing is prepared for this job.",
            cause="`prepare` did not run or did not end well, or the state folder was emptied meanwhile.",
            fix="Retry the job; if it happens again, compare `[runners.custom]` with config.toml.example.",
        )
    return folder


def create_job_folder(state_dir: str, key: str) -> str:
    """Make the job's folder and link it from TMPDIR; the runner calls `cleanup` whatever happens after."""
    folder = f"{state_dir}/jobs/{key}"
    link = f"{temporary_folder()}/{LINK}"
    make_private(state_dir)
    make_private(f"{state_dir}/jobs")
    _storing(folder, lambda: os.mkdir(folder, 0o700))
    if os.path.lexists(link):
        os.unlink(link)
    os.symlink(folder, link)
    return folder


def make_private(folder: str) -> None:
    """Make a folder (and those above it) that no other user of the host may enter."""
    if not os.path.isdir(folder):
        _storing(folder, lambda: os.makedirs(folder, 0o700, exist_ok=True))


def save(folder: str, facts: dict[str, Any]) -> None:
    """Write the job's state whole or not at all."""
    import json

    _storing(folder, lambda: write_private(f"{folder}/state.json", json.dumps({"version": VERSION, **facts})))


def load(folder: str) -> dict[str, Any]:
    """Read the job's state. A state that another version wrote, or half of one, is a system failure."""
    facts = load_of_any_version(folder)
    if facts.get("version") != VERSION:
        raise SystemFailure(
            "The job's state was written by another version of virida-executor.",
            cause="The driver was updated while the job ran.",
            fix="Retry the job.",
        )
    return facts


def load_of_any_version(folder: str) -> dict[str, Any]:
    """Read the job's state, whoever wrote it: for who only wants to know whether the job lives and what is its own."""
    import json

    try:
        with open(f"{folder}/state.json") as file:
            facts: dict[str, Any] = json.load(file)
        if isinstance(facts, dict):
            return facts
        reason = type(facts).__name__
    except (OSError, ValueError) as error:
        reason = type(error).__name__
    raise SystemFailure(f"The job's state cannot be read ({reason}).", fix="Retry the job.")


def write_private(path: str, text: str) -> None:
    """Replace a file in one step; only its owner can read it."""
    temporary = f"{path}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w") as file:
        file.write(text)
    os.replace(temporary, path)


def note_stage(folder: str, stage: str) -> None:
    """Leave the name of the stage that begins where `executor ps` finds it. The name is the job's: only content.

    Its length stands before it: to cut an older, longer one off takes several times as long as all of this.
    """
    try:
        descriptor = os.open(f"{folder}/stage", os.O_WRONLY | os.O_CREAT, 0o600)
        name = stage.encode(errors="surrogateescape")
        os.write(descriptor, b"%d\n%s" % (len(name), name))
        os.close(descriptor)
    except OSError:
        # A full disk is the stage's own to tell.
        return


def mark_ended(folder: str) -> None:
    """Note that the job is over and somebody about to remove what is left: its time tells when to come after them."""
    try:
        descriptor = os.open(f"{folder}/ended", os.O_WRONLY | os.O_CREAT, 0o600)
        os.utime(descriptor)
        os.close(descriptor)
    except OSError:
        # A full disk must not keep anything from being removed.
        return


def _storing(folder: str, write: Callable[[], object]) -> None:
    try:
        write()
    except OSError as error:
        raise OperatorError(
            f"Cannot write in the state folder ({error.strerror}: {folder}).",
            cause="The disk is full or read-only, or the folder belongs to another user.",
            fix="Check `df -h` and the owner, or set `state_dir` under [storage] in executor.toml.",
        ) from None
