"""Every failure: what happened, its likely cause, the next command, and who is to blame.

This is the only place that knows exit codes. It imports next to nothing: the hot path loads it at every call.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Blame = Literal["job", "operator", "system"]

SUCCESS = 0
CHECK_FAILED = 1
WRONG_CALL = 2


class ExecutorError(Exception):
    """A failure that a person can act on.

    `what` happened (one sentence, no secrets), `cause` is the likely cause, `fix` the next command or step.
    `blame` decides what GitLab is told: the job's own fault is never retried, everything else is.
    """

    blame: Blame = "system"

    def __init__(self, what: str, *, cause: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.cause = cause
        self.fix = fix

    def one_line(self) -> str:
        """The whole message on one line, for standard error of a command."""
        return " ".join(part for part in (self.what, self.cause, self.fix) if part)

    def paragraphs(self) -> list[str]:
        """What happened with its cause, then what to do: for the job log."""
        return [line for line in (" ".join(p for p in (self.what, self.cause) if p), self.fix) if line]


class JobError(ExecutorError):
    """The job asked for something that cannot work: its author has to change it."""

    blame: Blame = "job"


class OperatorError(ExecutorError):
    """The host or its settings are wrong: who runs the runner has to change them."""

    blame: Blame = "operator"


class SystemFailure(ExecutorError):
    """Something outside failed (engine, registry, disk): worth another try."""

    blame: Blame = "system"


class UsageError(ExecutorError):
    """The command line makes no sense."""

    blame: Blame = "operator"


class Terminated(BaseException):
    """SIGTERM or SIGINT arrived. Not an `Exception`: no handler of failures may swallow it."""


def driver_exit_code(error: BaseException) -> int:
    """The exit code of a driver phase: the runner's code for a build failure only where the job is to blame.

    The runner expects 1 and 2 whatever the environment says (`job_env` may overwrite the variables).
    """
    return 1 if isinstance(error, JobError) else 2


def command_exit_code(error: BaseException) -> int:
    """The exit code of a command that a person typed."""
    return WRONG_CALL if isinstance(error, (UsageError, OperatorError)) else CHECK_FAILED


def report_build_exit_code(code: int) -> int:
    """Tell the runner the exit code of the user's script; return the driver's own exit code for it.

    The file is shared by all calls of an attempt and never deleted by the runner, so it is replaced, not appended.
    Where the disk is full, the runner takes the driver's own code, 1.
    """
    path = os.environ.get("BUILD_EXIT_CODE_FILE")
    if path:
        try:
            _replace(path, f"{code}\n")
        except OSError:
            _remove(path)
    return 1


def _replace(path: str, text: str) -> None:
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(temporary, "w") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError:
        _remove(temporary)
        raise


def _remove(path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)
