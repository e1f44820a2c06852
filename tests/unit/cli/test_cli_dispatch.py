"""The command line: what each call says, and the exit code that it ends with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from executor import __version__, cli
from executor.errors import (
    ExecutorError,
    JobError,
    OperatorError,
    SystemFailure,
    Terminated,
    UsageError,
    command_exit_code,
    driver_exit_code,
    report_build_exit_code,
)

if TYPE_CHECKING:
    from collections.abc import Callable

LAUNCHER = str(Path(sys.executable).parent / "executor")


def executor(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as it is installed, in an environment that holds next to nothing."""
    clean = {"PATH": os.environ["PATH"], "HOME": "/nowhere", **environment}
    return subprocess.run([LAUNCHER, *words], capture_output=True, text=True, env=clean, check=False)


@pytest.mark.parametrize(
    "words", [(), ("--help",), ("-h",), ("help",), ("--debug",), ("--config", "x.toml", "--help"), ("--config=x",)]
)
def test_help(words: tuple[str, ...]) -> None:
    ended = executor(*words)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"virida-executor {__version__}: ")
    for command in ("exec", "plan", "config", "prepare", "run", "cleanup", "--config", "--debug"):
        assert command in ended.stdout


@pytest.mark.parametrize("words", [("--version",), ("-V",), ("version",), ("--debug", "--version")])
def test_version(words: tuple[str, ...]) -> None:
    assert executor(*words).stdout == f"virida-executor {__version__}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("prepair",), "there is no command `prepair`. Did you mean `prepare`? `executor --help` lists them."),
        (("CLEANUP",), "there is no command `CLEANUP`. `executor --help` lists them."),
        (("--config", "x", "plna"), "there is no command `plna`. Did you mean `plan`? `executor --help` lists them."),
        (("--halp",), "there is no command `--halp`. `executor --help` lists them."),
        (("",), "there is no command ``. `executor --help` lists them."),
        (("../cli/run",), "there is no command `../cli/run`. `executor --help` lists them."),
    ],
)
def test_a_command_that_does_not_exist(words: tuple[str, ...], message: str) -> None:
    ended = executor(*words)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"executor: {message}\n"


@pytest.mark.parametrize("phase", ["config", "prepare", "cleanup"])
def test_a_phase_outside_of_gitlab_runner(phase: str) -> None:
    ended = executor(phase)
    told = ended.stdout + ended.stderr

    assert ended.returncode == 2
    assert "was not started by gitlab-runner" in told
    assert "`executor exec`" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(("phase", "stream"), [("config", "stderr"), ("prepare", "stdout"), ("cleanup", "stderr")])
def test_a_failure_goes_where_it_is_seen(phase: str, stream: str) -> None:
    """The runner parses what config writes to standard output and hides what cleanup writes there."""
    ended = executor(phase)

    other = "stdout" if stream == "stderr" else "stderr"
    assert getattr(ended, stream).startswith("\x1b[31;1m")
    assert getattr(ended, other) == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run",), "`executor run` takes a script and a stage, not 0 arguments."),
        (("run", "a", "b", "c"), "`executor run` takes a script and a stage, not 3 arguments."),
        (("run", "s", "resolve_secrets"), "a stage that this driver does not know: 'resolve_secrets'."),
        (("run", "s", "a\x1b[2J\nb"), "a stage that this driver does not know: 'a\\x1b[2J\\nb'."),
        (("run", "s", "get_sources"), "TMPDIR names no folder"),
        (("run", "--config"), "--config needs a value."),
        (("--runner", "r", "run", "--config="), "takes a script and a stage, not 0 arguments"),
    ],
)
def test_wrong_calls_of_run(words: tuple[str, ...], message: str) -> None:
    ended = executor(*words)

    assert (ended.returncode, ended.stderr) == (2, "")
    assert message in ended.stdout
    assert "Traceback" not in ended.stdout


def test_a_stage_without_a_prepared_job(tmp_path: Path) -> None:
    ended = executor("run", "s", "build_script", TMPDIR=str(tmp_path), BUILD_EXIT_CODE_FILE=str(tmp_path / "code"))

    assert ended.returncode == 2
    assert "Nothing is prepared for this job." in ended.stdout
    assert not (tmp_path / "code").exists()


def test_cleanup_with_nothing_prepared(tmp_path: Path) -> None:
    for _ in range(2):
        ended = executor("cleanup", TMPDIR=str(tmp_path))
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_debug_shows_where_an_error_comes_from_and_changes_nothing_else() -> None:
    plain, debug = executor("run", "s", "unknown"), executor("run", "--debug", "s", "unknown")

    assert debug.returncode == plain.returncode == 2
    assert debug.stdout == plain.stdout
    assert plain.stderr == ""
    assert "cli/run.py" in debug.stderr


def dispatched(monkeypatch: pytest.MonkeyPatch, error: BaseException, command: str, *more: str) -> int:
    def fail(_: list[str]) -> int:
        raise error

    monkeypatch.setattr(cli, "_phase", lambda _: fail)
    return cli.dispatch([command, *more])


@pytest.mark.parametrize(
    ("error", "driver", "command"),
    [
        (JobError("x"), 1, 1),
        (OperatorError("x"), 2, 2),
        (SystemFailure("x"), 2, 1),
        (UsageError("x"), 2, 2),
        (ExecutorError("x"), 2, 1),
        (Terminated(), 2, 1),
        (KeyboardInterrupt(), 2, 1),
        (ZeroDivisionError("x"), 2, 1),
        (RecursionError("x"), 2, 1),
        (MemoryError(), 2, 1),
    ],
)
def test_exit_codes(monkeypatch: pytest.MonkeyPatch, error: BaseException, driver: int, command: int) -> None:
    """The runner takes 1 for the job's fault, which it does not try again, and 2 for everybody else's."""
    assert dispatched(monkeypatch, error, "prepare") == driver == driver_exit_code(error)
    assert dispatched(monkeypatch, error, "plan") == command == command_exit_code(error)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyError("secret-token"), "virida-executor failed (KeyError at test_cli_dispatch.py:"),
        (OSError(28, "No space left on device", "/secret-token"), ": No space left on device)."),
        (PermissionError(13, "Permission denied"), "virida-executor failed (PermissionError at "),
    ],
)
def test_what_nobody_foresaw_is_one_message_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, message: str
) -> None:
    assert dispatched(monkeypatch, error, "prepare") == 2

    told = capsys.readouterr()
    assert message in told.out
    assert told.err == ""
    assert "secret-token" not in told.out
    assert "Traceback" not in told.out


def test_debug_shows_the_error_that_nobody_foresaw(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatched(monkeypatch, KeyError("the cause"), "prepare", "--debug") == 2

    assert "KeyError: 'the cause'" in capsys.readouterr().err


Seen = list[tuple[str, list[str]]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """The phases that were called, with their arguments."""
    calls: Seen = []

    def phase(command: str) -> Callable[[list[str]], int]:
        def main(arguments: list[str]) -> int:
            calls.append((command, arguments))
            return 0

        return main

    monkeypatch.setattr(cli, "_phase", phase)
    return calls


@pytest.mark.parametrize(
    ("words", "command", "rest"),
    [
        (["config"], "config", []),
        (["--config", "f", "config"], "config", ["--config", "f"]),
        (["config", "--config", "f"], "config", ["--config", "f"]),
        (["--config=f", "run", "s", "t"], "run", ["--config=f", "s", "t"]),
        (["--config", "run", "run", "run", "run"], "run", ["--config", "run", "run", "run"]),
        (["--config", "f", "--runner", "r", "prepare", "--debug"], "prepare", ["--config", "f", "--runner", "r"]),
        (["--debug", "cleanup"], "cleanup", []),
        (["run", "/a b", "step_Weird Name/x"], "run", ["/a b", "step_Weird Name/x"]),
    ],
)
def test_options_before_and_after_the_command(seen: Seen, words: list[str], command: str, rest: list[str]) -> None:
    assert cli.dispatch(words) == 0
    assert seen == [(command, rest)]


def test_the_exit_code_of_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner keeps the file from call to call: what an earlier stage wrote must not stay."""
    file = tmp_path / "build_exit_code"
    file.write_text("7\njunk of an earlier stage\n")
    monkeypatch.setenv("BUILD_EXIT_CODE_FILE", str(file))

    assert report_build_exit_code(42) == 1
    assert file.read_text() == "42\n"
    assert os.listdir(tmp_path) == ["build_exit_code"]


def test_no_file_for_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BUILD_EXIT_CODE_FILE", raising=False)
    assert report_build_exit_code(42) == 1


def test_an_error_in_one_line_and_in_paragraphs() -> None:
    whole: dict[str, Any] = {"cause": "Cause.", "fix": "Fix."}
    assert ExecutorError("What.", **whole).one_line() == "What. Cause. Fix."
    assert ExecutorError("What.", **whole).paragraphs() == ["What. Cause.", "Fix."]
    assert ExecutorError("What.").paragraphs() == ["What."]
    assert ExecutorError("What.", fix="Fix.").one_line() == "What. Fix."


def test_a_part_of_the_driver_that_is_missing_is_not_the_jobs_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "executor.cli.prepare", None)
    assert cli.dispatch(["prepare"]) == 2
    assert "ModuleNotFoundError" in capsys.readouterr().out
