"""The only writer: what it says is never lost, and never ends the driver."""

from __future__ import annotations

import subprocess
import sys

import pytest

from executor import terminal
from executor.errors import JobError


def written(program: str, **environment: str) -> bytes:
    """What `program` writes where its environment is this one."""
    words = [sys.executable, "-c", f"from executor.terminal import *; from executor.errors import *\n{program}"]
    return subprocess.run(words, capture_output=True, env=environment, check=True).stdout


def test_lines_of_the_job_log(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.log("plain")
    terminal.log_warning("careful")
    terminal.log_failure(JobError("What.", cause="Cause.", fix="Fix."))

    assert capsys.readouterr().out == (
        "plain\n\x1b[33;1mWARNING: careful\x1b[0;m\n\x1b[31;1mWhat. Cause.\x1b[0;m\nFix.\n"
    )


def test_every_message_ends_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.complain("x")
    terminal.show("y")
    terminal.log_failure(JobError("z"), beside_answer=True)

    told = capsys.readouterr()
    assert told.out == "y\n"
    assert told.err == "executor: x\n\x1b[31;1mz\x1b[0;m\n"


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ("'ä…'", {}, "ä…\nnext\n".encode()),
        ("'a\\udcffb'", {}, b"a\xffb\nnext\n"),
        ("'a\\udcffb'", {"PYTHONIOENCODING": "utf-8:strict"}, b"a\\udcffb\nnext\n"),
        ("'a\\ud800b'", {}, b"a\\ud800b\nnext\n"),
        ("'ä…'", {"PYTHONIOENCODING": "latin-1"}, b"\xe4\\u2026\nnext\n"),
        ("'ä…'", {"PYTHONIOENCODING": "ascii"}, b"\\xe4\\u2026\nnext\n"),
        ("'ä…'", {"LC_ALL": "C"}, "ä…\nnext\n".encode()),
    ],
)
def test_what_the_stream_cannot_hold_is_escaped(text: str, environment: dict[str, str], expected: bytes) -> None:
    """A single odd name must not silence all that comes after it."""
    assert written(f"log({text}); log('next')", **environment) == expected


def test_a_reader_that_is_gone_ends_nothing() -> None:
    program = "import os; [log('x' * 9999) for _ in range(99)]; os.write(2, b'went on')"
    words = [sys.executable, "-c", f"from executor.terminal import *\n{program}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b"went on"
    assert process.returncode == 0
