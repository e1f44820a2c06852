"""The jobs that a state folder knows, and what the driver left there about each."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from executor.errors import ExecutorError, OperatorError, UsageError
from executor.sandbox.janitor import dead_jobs
from executor.sandbox.keeping import seconds_left
from executor.sandbox.state import load_of_any_version

if TYPE_CHECKING:
    from typing import Literal

    Fate = Literal["running", "kept", "left over", "ending"]

PREPARING = "prepare"


@dataclass(frozen=True, kw_only=True)
class HostJob:
    """One job of this host. Times are seconds since the epoch, 0 where nothing tells; names are the job's own words.

    `left over` is a job that nobody will end any more, `ending` one whose removal has just begun.
    """

    folder: str
    fate: Fate
    id: int
    name: str
    project: str
    ref: str
    sha: str
    began: float
    stage: str
    stage_began: float
    seconds_kept: float | None
    facts: dict[str, Any] = field(repr=False)

    @property
    def key(self) -> str:
        """Tells this attempt from all others of this host."""
        return os.path.basename(self.folder)


def jobs_of(state_dir: str) -> list[HostJob]:
    """All jobs of a state folder, by their keys. OperatorError where this account may not look."""
    _require_access(state_dir)
    jobs = f"{state_dir}/jobs"
    names = sorted(os.listdir(jobs)) if os.path.isdir(jobs) else []
    dead = set(dead_jobs(state_dir))
    return [_job(f"{jobs}/{name}", dead) for name in names]


def find_job(jobs: list[HostJob], word: str) -> HostJob:
    """The job of this id or key, a living one before one that is over. UsageError where there is not just one."""
    fitting = [job for job in jobs if word in (job.key, str(job.id))]
    found = [job for job in fitting if job.fate in ("running", "kept")] or fitting
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} attempts of job {word} are here.", fix=f"Name one: {', '.join(job.key for job in found)}."
        )
    if not found:
        here = ", ".join(str(job.id) for job in jobs[:10]) or "none"
        raise UsageError(f"no job {word!r} is on this host.", cause=f"Here are: {here}.", fix="See `executor ps`.")
    return found[0]


def _require_access(state_dir: str) -> None:
    if os.path.isdir(state_dir) and not os.access(state_dir, os.R_OK | os.X_OK):
        raise OperatorError(
            f"The state folder {state_dir} is closed to this account.", fix="Run as the user that runs gitlab-runner."
        )


def _job(folder: str, dead: set[str]) -> HostJob:
    facts = _facts(folder)
    job = facts.get("job") or {}
    kept = seconds_left(folder)
    stage, stage_began = _stage(folder)
    number = os.path.basename(folder).partition("-")[0]
    return HostJob(
        folder=folder,
        fate=_fate(folder, dead, kept),
        id=int(number) if number.isdigit() else 0,
        name=str(job.get("name", "")),
        project=str(job.get("project", "")),
        ref=str(job.get("ref", "")),
        sha=str(job.get("sha", "")),
        began=float(facts.get("began") or 0),
        stage=stage,
        stage_began=stage_began or float(facts.get("began") or 0),
        seconds_kept=kept,
        facts=facts,
    )


def _fate(folder: str, dead: set[str], kept: float | None) -> Fate:
    if folder in dead:
        return "left over"
    if os.path.exists(f"{folder}/ended"):
        return "ending"
    return "running" if kept is None else "kept"


def _facts(folder: str) -> dict[str, Any]:
    try:
        return load_of_any_version(folder)
    except ExecutorError:
        return {}


def _stage(folder: str) -> tuple[str, float]:
    """The stage that began last and when; before the first one that is `prepare`."""
    try:
        with open(f"{folder}/stage", "rb") as file:
            length, _, text = file.read().partition(b"\n")
            return text[: int(length)].decode(errors="replace"), os.fstat(file.fileno()).st_mtime
    except (OSError, ValueError):
        return PREPARING, 0.0
