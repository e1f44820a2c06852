"""`--shell-on-failure`: a shell in the build container of a job whose script has just failed."""

from __future__ import annotations

import subprocess

from executor.pipeline.local.calls import launcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.pipeline.local.attempt import Attempt


def open_shell(attempt: Attempt) -> None:
    """An interactive shell in the living container, in the project folder; back when the user leaves it."""
    command = [launcher(), "shell", "--config", str(attempt.config_file)]
    subprocess.run(command, env=attempt.environment(), cwd=attempt.folder, check=False)
