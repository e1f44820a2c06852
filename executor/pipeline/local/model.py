"""Values that pass between the parts of the local runner."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from executor.pipeline.model import PipelineJob

Reason = Literal["script_failure", "runner_system_failure", "job_execution_timeout", "job_canceled"]
Status = Literal["passed", "warned", "failed", "canceled", "skipped", "manual"]
FINISHED: frozenset[Status] = frozenset({"passed", "warned", "failed", "canceled"})


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Folders inside the job's containers, all absolute. `cache_dir` is the project's part of the cache."""

    builds_dir: str
    cache_dir: str
    project_dir: str

    @property
    def temporary_dir(self) -> str:
        """Where file variables and GITLAB_ENV live."""
        return f"{self.project_dir}.tmp"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a job failed, in the runner's words. `exit_code` is that of the user's script, where one ended."""

    reason: Reason
    message: str
    exit_code: int | None = None
    stage: str = ""


class StageFailed(Exception):
    """A driver call failed; the job's later stages decide what to do about it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class JobEnded(StageFailed):
    """Nothing but cleanup may follow: job timeout, cancel before the script, or a second interrupt."""


@dataclass(frozen=True, kw_only=True)
class FailedCommand:
    """The command of the script that was running when the job failed. `where` is `line N of FILE`, or empty."""

    command: str
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """What became of one job. `seconds` of wall-clock time over all attempts; `note` says why it did not run.

    `cpu_seconds` are those of the last attempt's containers, None where they are not known.
    """

    job: PipelineJob
    status: Status
    seconds: float = 0.0
    failure: Failure | None = None
    command: FailedCommand | None = None
    cache: str = ""
    cpu_seconds: float | None = None
    log: Path | None = None
    tries: int = 1
    note: str = ""
    dotenv: dict[str, str] = field(default_factory=dict)
    archive: Path | None = None

    @property
    def succeeded(self) -> bool:
        """Whether jobs that wait for this one may run."""
        return self.status in ("passed", "warned")
