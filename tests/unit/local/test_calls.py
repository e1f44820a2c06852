"""Calls of the driver: real processes, their output and their end."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from executor.errors import SystemFailure
from executor.pipeline.local import calls
from executor.pipeline.local.attempt import failure_of
from executor.pipeline.local.calls import Ended, call_driver
from executor.pipeline.local.control import (
    CANCELED,
    TIMED_OUT,
    Control,
    JobClock,
    parse_go_duration,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Program:
    """A shell program in the driver's place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "executor"
        self.output = b""

    def run(self, text: str, *, stop: Callable[[], str] = lambda: "", keep_output: bool = False) -> Ended:
        """Run it to its end."""
        self.path.write_text(f"#!/bin/sh\n{text}\n")
        self.path.chmod(0o755)
        return call_driver(
            ["phase", "word"],
            environment={"PATH": os.environ["PATH"], "ONLY": "this"},
            folder=self.folder,
            write=self._write,
            should_stop=stop,
            keep_output=keep_output,
        )

    def stop_when(self, text: bytes) -> Callable[[], str]:
        """Stop as soon as this was printed."""
        return lambda: CANCELED if text in self.output else ""

    def _write(self, chunk: bytes) -> None:
        self.output += chunk


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program that is started as the driver."""
    program = Program(tmp_path)
    monkeypatch.setattr(calls, "launcher", lambda: str(program.path))
    monkeypatch.setattr(calls, "GRACEFUL_SECONDS", 0.5)
    monkeypatch.setattr(calls, "FORCE_SECONDS", 0.5)
    return program


def test_a_call_has_its_words_environment_and_folder(program: Program) -> None:
    assert program.run('echo "$@"; echo "$ONLY $HOME"; pwd; exit 7').exit_code == 7
    assert program.output.decode().splitlines() == ["phase word", "this ", str(program.folder)]


def test_a_call_has_no_input(program: Program) -> None:
    assert program.run("cat; echo end").exit_code == 0
    assert program.output == b"end\n"


def test_a_call_leads_its_own_process_group(program: Program) -> None:
    program.run('echo "$$ $(ps -o pgid= -p $$)"')
    pid, group = program.output.split()
    assert pid == group


def test_output_and_errors_keep_their_order(program: Program) -> None:
    program.run("for i in 1 2 3 4 5; do echo out$i; echo err$i >&2; done")
    assert program.output.decode().split() == [f"{kind}{number}" for number in range(1, 6) for kind in ("out", "err")]


def test_output_can_be_kept_apart(program: Program) -> None:
    assert program.run("echo '{}'; echo said >&2", keep_output=True).output == b"{}\n"
    assert program.output == b"said\n"


def test_output_comes_while_the_call_runs(program: Program) -> None:
    seen_at: list[float] = []
    program._write = lambda chunk: seen_at.append(time.monotonic())  # type: ignore[method-assign]
    started = time.monotonic()
    program.run("echo first; sleep 0.6; echo second")
    assert seen_at[0] - started < 0.5 < seen_at[-1] - started


def test_a_call_that_is_told_to_stop_gets_sigterm_in_its_whole_group(program: Program) -> None:
    ended = program.run("trap 'echo asked; exit 0' TERM; sleep 30 & echo ready; wait", stop=program.stop_when(b"ready"))
    assert ended == Ended(exit_code=0, stopped=CANCELED)
    assert program.output == b"ready\nasked\n"


def test_a_call_that_ignores_it_is_killed(program: Program) -> None:
    started = time.monotonic()
    ended = program.run("trap '' TERM; echo ready; sleep 30; sleep 30", stop=program.stop_when(b"ready"))
    assert (ended.exit_code, ended.stopped) == (-signal.SIGKILL, CANCELED)
    assert time.monotonic() - started < 5


def test_a_process_that_left_the_group_with_the_pipes_is_not_waited_for_for_ever(program: Program) -> None:
    started = time.monotonic()
    program.run("setsid sleep 8 & echo ready; trap '' TERM; sleep 30", stop=program.stop_when(b"ready"))
    assert time.monotonic() - started < 5


def test_a_driver_that_cannot_be_started_is_an_unknown_failure(program: Program) -> None:
    program.path.write_text("x")
    ended = call_driver([], environment={}, folder=program.folder, write=program._write, should_stop=lambda: "")
    assert ended.exit_code == -1
    assert b"failed to start the driver: Permission denied" in program.output


def test_the_launcher_is_the_command_that_was_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "executor"
    command.write_text("")
    command.chmod(0o755)
    monkeypatch.setattr("sys.argv", [str(command)])
    assert calls.launcher() == str(command)


def test_without_a_launcher_there_is_nothing_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["pytest"])
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(SystemFailure, match="`executor` command of this installation is not found"):
        calls.launcher()


@pytest.mark.parametrize(
    ("content", "exit_code", "reason"),
    [
        (None, 1, "script_failure"),
        ("42", 42, "script_failure"),
        ("42\n", 42, "script_failure"),
        ("42\njunk", 42, "script_failure"),
        ("300", 300, "script_failure"),
        (" 42", None, "runner_system_failure"),
        ("", None, "runner_system_failure"),
        ("0x2a", None, "runner_system_failure"),
    ],
)
def test_the_file_with_the_exit_code_is_read_as_the_runner_reads_it(
    tmp_path: Path, content: str | None, exit_code: int | None, reason: str
) -> None:
    file = tmp_path / "build_exit_code"
    if content is not None:
        file.write_text(content)
    failure = failure_of(Ended(exit_code=1), "step_script", file)
    assert failure
    assert (failure.exit_code, failure.reason) == (exit_code, reason)


@pytest.mark.parametrize(("stopped", "reason"), [(CANCELED, "job_canceled"), (TIMED_OUT, "job_execution_timeout")])
def test_a_good_exit_code_after_a_stop_is_no_success(tmp_path: Path, stopped: str, reason: str) -> None:
    failure = failure_of(Ended(exit_code=0, stopped=stopped), "step_script", tmp_path / "none")
    assert failure
    assert failure.reason == reason


class TestClock:
    """Who may go on after an interrupt, and until when."""

    @pytest.mark.parametrize(
        ("interrupts", "before", "during", "after"),
        [(0, "", "", ""), (1, CANCELED, CANCELED, ""), (2, CANCELED, CANCELED, CANCELED)],
    )
    def test_interrupts(self, interrupts: int, before: str, during: str, after: str) -> None:
        control = Control()
        clock = JobClock(control, 60)
        for _ in range(interrupts):
            control.interrupt()
        assert (clock.before_script(), clock.during_script(None)(), clock.after_script(60)()) == (before, during, after)

    def test_limits(self) -> None:
        clock = JobClock(Control(), 60)
        during, after = clock.during_script(0.01), clock.after_script(0.01)
        threading.Event().wait(0.05)
        assert (during(), after(), clock.ended()) == (TIMED_OUT, TIMED_OUT, "")

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("90s", 90),
            ("1h30m", 5400),
            ("1.5m", 90),
            ("500ms", 0.5),
            ("0s", None),
            ("-1s", None),
            ("10", None),
            ("", None),
        ],
    )
    def test_go_durations(self, text: str, seconds: float | None) -> None:
        assert parse_go_duration(text) == seconds
