"""The command line: one file a command, imported only when it is called."""

from __future__ import annotations

import os
import sys

from executor import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# The phases that gitlab-runner calls, and what starts them again in the background: fast, and quiet on success.
DRIVER = ("config", "prepare", "run", "cleanup")
# Of these the runner parses or hides standard output, and shows standard error.
OUTPUT_UNSEEN = ("config", "cleanup")
# `used` is not for people: `exec` calls it before `cleanup`.
COMMANDS = (
    "exec",
    "plan",
    "ps",
    "usage",
    "logs",
    "shell",
    "cache",
    "gc",
    "doctor",
    "install",
    "uninstall",
    "register",
    "unregister",
    "used",
)


def main() -> None:
    """Run the command that `sys.argv` names and end the process with its exit code."""
    code = dispatch(sys.argv[1:])
    # Nothing is left to flush or join, and taking the interpreter down costs as much as bringing it up.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def dispatch(arguments: list[str]) -> int:
    """The exit code of the command in `arguments`."""
    command, rest = _command(arguments)
    if command in DRIVER:
        tell = _tell_job_beside_answer if command in OUTPUT_UNSEEN else _tell_job
        return _guarded(command, rest, errors.driver_exit_code, tell)
    if command in COMMANDS:
        return _guarded(command, rest, errors.command_exit_code, _tell_person)
    return _guarded("help", arguments, errors.command_exit_code, _tell_person)


def _command(arguments: list[str]) -> tuple[str, list[str]]:
    """The command's name, and its arguments with the general options (`--config FILE`) that stood before it."""
    for index, word in enumerate(arguments):
        if not word.startswith("-") and (index == 0 or arguments[index - 1] not in ("--config", "--runner")):
            return word, arguments[:index] + arguments[index + 1 :]
    return "", arguments


def _phase(command: str) -> Callable[[list[str]], int]:
    module = __import__(f"executor.cli.{command}", fromlist=["main"])
    return module.main  # type: ignore[no-any-return]


def _guarded(
    command: str,
    arguments: list[str],
    exit_code: Callable[[BaseException], int],
    tell: Callable[[errors.ExecutorError], None],
) -> int:
    """Run a command; every failure becomes one message and one exit code."""
    debug = "--debug" in arguments
    try:
        return _phase(command)([word for word in arguments if word != "--debug"])
    except errors.ExecutorError as error:
        failure = error
    except (errors.Terminated, KeyboardInterrupt) as error:
        return exit_code(error)
    except Exception as error:
        failure = _unexpected(error)
        failure.__cause__ = error
    if debug:
        _trace(failure)
    tell(failure)
    return exit_code(failure)


def _unexpected(error: Exception) -> errors.SystemFailure:
    """Our own bug, or a fault of the host that nobody foresaw. The text of an exception may hold a job's secrets."""
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    place = f"{os.path.basename(frame.tb_frame.f_code.co_filename)}:{frame.tb_lineno}" if frame else "?"
    reason = error.strerror or "" if isinstance(error, OSError) else ""
    return errors.SystemFailure(
        f"virida-executor failed ({type(error).__name__} at {place}{': ' if reason else ''}{reason}).",
        cause="" if reason else "This is a fault of the driver, not of the job.",
        fix="Retry the job; please report it if it happens again.",
    )


def _trace(failure: errors.ExecutorError) -> None:
    from executor.terminal import trace

    trace(failure)


def _tell_job(failure: errors.ExecutorError) -> None:
    from executor.terminal import log_failure

    log_failure(failure)


def _tell_job_beside_answer(failure: errors.ExecutorError) -> None:
    from executor.terminal import log_failure

    log_failure(failure, beside_answer=True)


def _tell_person(failure: errors.ExecutorError) -> None:
    from executor.terminal import complain

    complain(failure.one_line())
