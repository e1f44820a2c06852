"""Stage loops of each kind of shell that this host has."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.unit.stages.local_loop import LocalLoop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = {
    "bash": (["bash"], "/bin/bash"),
    "dash": (["dash"], "/bin/dash"),
    "posix": (["bash", "--posix"], "/bin/bash"),
}


@pytest.fixture(params=KINDS.keys())
def every_loop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalLoop]:
    """A loop in each kind of shell, which runs stages in the same one."""
    shell, stage_shell = KINDS[request.param]
    if not shutil.which(shell[0]):
        pytest.skip(f"no {shell[0]} on this host")
    loop = LocalLoop(tmp_path, shell, stage_shell)
    yield loop
    loop.stop()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[LocalLoop]:
    """A loop in the shell that most images start it with."""
    started = LocalLoop(tmp_path, ["sh"], "/bin/bash")
    yield started
    started.stop()
