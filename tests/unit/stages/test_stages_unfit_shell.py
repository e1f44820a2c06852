"""A shell that cannot read the runner's scripts is told from one that can."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.unit.stages.conftest import KINDS
from tests.unit.stages.local_loop import LocalLoop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TELL = """
import os, sys
sys.path[:0] = [os.getcwd()]
from executor.stages.unfit_shell import tell_unfit_shell
folder, script, code = sys.argv[1:]
tell_unfit_shell(folder, script, int(code))
"""
OF_THE_RUNNER = ": | eval $'echo it\\'s\\n'\n"


@pytest.fixture(params=["bash", "dash"])
def any_loop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, LocalLoop]]:
    """The name of a shell, and a loop in it."""
    loop = LocalLoop(tmp_path, *KINDS[request.param])
    yield request.param, loop
    loop.stop()


def told(loop: LocalLoop, script: str, code: int) -> str:
    """What the job log says after `script` ended with `code`."""
    words = [sys.executable, "-c", TELL, str(loop.folder), loop.script(script), str(code)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert loop.left_over() == set()
    return done.stdout


def test_dash_is_told_and_bash_is_not(any_loop: tuple[str, LocalLoop]) -> None:
    name, loop = any_loop
    assert ("NO BASH" in told(loop, OF_THE_RUNNER, 2)) == (name == "dash")


@pytest.mark.parametrize(("script", "code"), [(OF_THE_RUNNER, 1), (OF_THE_RUNNER, 143), (': | eval "exit 2"\n', 2)])
def test_other_failures_say_nothing_of_the_shell(tmp_path: Path, script: str, code: int) -> None:
    loop = LocalLoop(tmp_path, *KINDS["dash"])
    try:
        assert told(loop, script, code) == ""
    finally:
        loop.stop()
