"""`--shell-on-failure`: a shell in the build container of a job whose script has just failed."""

from __future__ import annotations

import subprocess

from executor.pipeline.local import shell
from executor.pipeline.local.calls import launcher
from executor.pipeline.local.shell import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.pipeline.local.attempt import Attempt


def open_shell(attempt: Attempt) -> None:
    """An interactive shell in the living container, in the project folder; back when the user leaves it.

    The job's variables go into the container the way all of them do: in a stage's script, not on a command line.
    """
    paths = attempt.known_paths
    file = f"{paths.temporary_dir}/executor_shell"
    exports = shell.exports(attempt.variables(), paths)
    make_folder = f"mkdir -p {quote(paths.temporary_dir)}"
    attempt.run("step_shell", shell.script(make_folder, f"printf '%s\\n' {quote(exports)} > {quote(file)}"), _never)
    options = ["--config", str(attempt.config_file), "--variables", file, "--folder", paths.project_dir]
    subprocess.run([launcher(), "shell", *options], env=attempt.environment(), cwd=attempt.folder, check=False)


def _never() -> str:
    return ""
