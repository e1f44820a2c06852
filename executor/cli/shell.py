"""`executor shell FILE FOLDER`: an interactive shell in the build container that the attempt in TMPDIR prepared.

Not for people: `executor exec --shell-on-failure` calls it between two stages.
"""

from __future__ import annotations

import shutil
import subprocess

from executor.cli.options import split_options
from executor.errors import OperatorError, UsageError
from executor.job.stages import BUILD
from executor.sandbox.state import job_folder, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# The file holds the job's variables: it is gone once they are exported.
ENTER = """
. "$1" && rm -f "$1" && cd "$2" || exit
for shell in bash ash sh; do
  if command -v "$shell" > /dev/null; then exec "$shell"; fi
done
"""


def main(arguments: list[str]) -> int:
    """Run the shell; its exit code. FILE (in the container) exports the job's variables, FOLDER is where to be."""
    _, words = split_options(arguments)
    if len(words) != 2:
        raise UsageError("`executor shell` takes a file and a folder of the container.", fix="Use `executor exec`.")
    state = load(job_folder())
    docker = shutil.which("docker")
    if docker is None:
        raise OperatorError("The `docker` command is not installed.", fix="Install it, or drop --shell-on-failure.")
    options = [*_engine_options(state["engine"]), "exec", "--interactive", "--tty"]
    command = [docker, *options, state["containers"][BUILD], "sh", "-c", ENTER, "sh", *words]
    return subprocess.run(command, check=False).returncode


def _engine_options(engine: Mapping[str, Any]) -> list[str]:
    """The Engine of the job, whatever DOCKER_* variables say."""
    folder = engine["certificates"]
    files = [f"--tls{name}={folder}/{file}.pem" for name, file in (("cacert", "ca"), ("cert", "cert"), ("key", "key"))]
    return ["--host", engine["host"], *(files if folder else []), *(["--tlsverify"] if engine["verify"] else [])]
