"""Work in the background, and spans of time in words."""

from __future__ import annotations

import subprocess
import sys
import time
from calendar import timegm
from typing import TYPE_CHECKING

import pytest

from executor.sandbox.ages import ago

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import os, sys, time
from executor.sandbox.background import in_background
def work():
    time.sleep({seconds})
    open({path!r}, "w").write(f"{{os.getsid(0) == os.getpid()}} {{os.getcwd()}}")
    {more}
in_background(work)
print("said by the parent")
"""


def run(path: Path, seconds: float = 0.5, more: str = "") -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(seconds=seconds, path=str(path), more=more)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=10)


def written(path: Path) -> str:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.02)
    pytest.fail("the work was not done")


def test_who_reads_our_output_does_not_wait_for_the_work(tmp_path: Path) -> None:
    """As the runner does, `run` waits until everybody who holds the pipes has closed them."""
    began = time.monotonic()
    ended = run(tmp_path / "done", seconds=2)

    assert time.monotonic() - began < 1.5
    assert ended.stdout == "said by the parent\n"
    assert written(tmp_path / "done") == "True /"


@pytest.mark.parametrize("more", ["1 / 0", "print('x' * 99999)", "sys.exit(5)", "os.close(1)"])
def test_work_that_fails_says_nothing_and_does_not_go_on_as_the_parent(tmp_path: Path, more: str) -> None:
    ended = run(tmp_path / "done", seconds=0, more=more)

    assert written(tmp_path / "done")
    assert (ended.stdout, ended.stderr) == ("said by the parent\n", "")


NOW = timegm((2026, 5, 4, 12, 0, 0))


@pytest.mark.parametrize(
    ("timestamp", "words"),
    [
        ("2026-05-04T11:59:55.999999999Z", "5 s ago"),
        ("2026-05-04T11:59:01Z", "59 s ago"),
        ("2026-05-04T11:59:00Z", "1 min ago"),
        ("2026-05-04T09:30:00+00:00", "2 h ago"),
        ("2026-05-01T11:00:00Z", "3 d ago"),
        ("2026-05-04T12:00:09Z", "0 s ago"),
        ("0001-01-01T00:00:00Z", "some time ago"),
        ("1970-01-01T00:00:00Z", "some time ago"),
        ("", "some time ago"),
        ("yesterday", "some time ago"),
    ],
)
def test_ago(timestamp: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)

    assert ago(timestamp) == words
