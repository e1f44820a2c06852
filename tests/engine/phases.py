"""Starting a phase of the driver as gitlab-runner does."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.e2e.runner import LAUNCHER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def start_phase(
    config: Path, words: tuple[str, ...], environment: Mapping[str, str], folder: Path | str, *, stderr: int
) -> subprocess.Popen[bytes]:
    """`executor PHASE --config CONFIG ...` in `folder`, in a process group of its own, with nothing on its stdin."""
    phase, *rest = words
    return subprocess.Popen(
        [LAUNCHER, phase, "--config", str(config), *rest],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
    )
