"""Whether a job is still somebody's, tested each way: what is not surely dead must never be taken away."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from executor.sandbox.liveness import claim_of_caller, lives

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLAIM = "import json; from executor.sandbox.liveness import claim_of_caller; print(json.dumps(claim_of_caller()))"


@pytest.fixture
def claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The claim of a job whose runner is this test's parent."""
    folder = tmp_path / "attempt"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return claim_of_caller()


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process by the runner's name, which lives until its input ends."""
    program = tmp_path / "gitlab-runner"
    shutil.copy("/bin/sh", program)
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def claimed_below(runner: subprocess.Popen[str], prefix: str, folder: Path) -> dict[str, Any]:
    """The claim that a driver makes when `runner` starts it behind `prefix` (a wrapper's words)."""
    import json

    folder.mkdir(exist_ok=True)
    assert runner.stdin
    assert runner.stdout
    environment = f"TMPDIR={folder} PYTHONPATH={os.getcwd()}"
    runner.stdin.write(f"{environment} {prefix} {sys.executable} -c '{CLAIM}'; true\n")
    runner.stdin.flush()
    found: dict[str, Any] = json.loads(runner.stdout.readline())
    return found


def test_a_running_runner_with_its_folder_lives(claim: dict[str, Any]) -> None:
    assert lives(claim)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"started": "1"}, id="the number belongs to a later process"),
        pytest.param({"pid": 2**22 + 1}, id="no process of that number"),
        pytest.param({"boot": "00000000-0000-0000-0000-000000000000"}, id="the host was started again"),
        pytest.param({"folder": "/nowhere"}, id="the runner has removed the attempt's folder"),
        pytest.param({"started": "", "pid": 2**22 + 1}, id="the runner was gone before it could be noted"),
    ],
)
def test_dead(claim: dict[str, Any], change: dict[str, Any]) -> None:
    assert not lives(claim | change)


def test_a_runner_that_cannot_be_seen_lives_as_long_as_its_job_may_take(claim: dict[str, Any]) -> None:
    """It runs in a container, and shares the state folder with the host."""
    unseen = claim | {"processes": "pid:[1]", "pid": 2**22 + 1, "folder": "/not/here"}

    assert lives(unseen)
    assert not lives(unseen | {"until": time.time() - 1})
    assert not lives(unseen | {"boot": "earlier"})


def test_the_time_that_a_job_may_take_is_its_own(claim: dict[str, Any]) -> None:
    assert claim_of_caller(600)["until"] == pytest.approx(time.time() + 600 + 3600, abs=5)
    assert claim["until"] > time.time() + 86400


def test_a_claim_of_an_older_version_is_judged_by_its_process(claim: dict[str, Any]) -> None:
    old = {key: claim[key] for key in ("pid", "started", "boot", "folder")}

    assert lives(old)
    assert not lives(old | {"pid": 2**22 + 1})


@pytest.mark.parametrize(
    "prefix", ["", "sh -c '\"'\"'\"$@\"; true'\"'\"' sh", "setsid"], ids=["direct", "wrapper", "session"]
)
def test_the_claim_is_the_runners_whatever_stands_between(
    runner: subprocess.Popen[str], tmp_path: Path, prefix: str
) -> None:
    if "'" in prefix:
        wrapper = tmp_path / "wrapper"
        wrapper.write_text('#!/bin/sh\n"$@"\ntrue\n')
        wrapper.chmod(0o755)
        prefix = str(wrapper)
    claim = claimed_below(runner, prefix, tmp_path / "attempt")

    assert claim["pid"] == runner.pid
    assert lives(claim)


def test_the_runner_ends(runner: subprocess.Popen[str], tmp_path: Path) -> None:
    claim = claimed_below(runner, "", tmp_path / "attempt")
    assert lives(claim)

    runner.kill()
    runner.wait()

    assert not lives(claim)
    assert os.path.isdir(claim["folder"])


def test_the_attempt_ends(runner: subprocess.Popen[str], tmp_path: Path) -> None:
    claim = claimed_below(runner, "", tmp_path / "attempt")

    os.rmdir(claim["folder"])

    assert not lives(claim)


def test_a_name_with_brackets_and_blanks_is_no_trap(tmp_path: Path) -> None:
    """/proc/PID/stat holds the program's name in brackets, as it is."""
    program = tmp_path / ") 1 (x y"
    shutil.copy("/bin/sh", program)
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as odd:
        claim = claimed_below(odd, "", tmp_path / "attempt")
        assert claim["pid"] == odd.pid
        assert lives(claim)
        odd.kill()


def test_a_driver_whose_runner_was_killed_before_it_claimed_belongs_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert not lives(claim_of_caller())
