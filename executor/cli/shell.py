"""`executor shell JOB`: an interactive shell in a living container of a job, in the project folder."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys

from executor.cli.parser import CommandParser, add_container_options
from executor.errors import OperatorError, UsageError
from executor.job.stages import BUILD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from executor.inspection.containers import JobContainer
    from executor.inspection.jobs import HostJob

EPILOG = """The job's variables are not set in the shell: they are stored nowhere on this host.

examples:
  executor shell 1001                     the build container of job 1001
  executor shell 1001 --service postgres  one of its services
"""

ENTER = """
[ -z "$1" ] || cd "$1" || echo "executor: this is $(pwd)." >&2
"""

# The file holds the job's variables: it is gone once they are exported.
ENTER_WITH_VARIABLES = """
. "$2" && rm -f "$2" && cd "$1" || exit
"""

BECOME_SHELL = """
for shell in bash ash sh; do
  if command -v "$shell" > /dev/null; then exec "$shell"; fi
done
"""


def main(arguments: list[str]) -> int:
    """Run the shell; its exit code."""
    if "--variables" in arguments:
        return _enter_own_attempt(arguments)
    parsed = make_parser().parse_args(arguments)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "shell: this is not a terminal.",
            fix="For a single command use `docker exec`; `executor ps --json` names the containers.",
        )
    job, container = _chosen(parsed)
    folder = "" if parsed.service else str(job.facts.get("project_dir", ""))
    return _run(job.facts["engine"], container.name, [f"{ENTER}{BECOME_SHELL}", "sh", folder])


def make_parser() -> CommandParser:
    """The command line of `executor shell`."""
    parser = CommandParser("shell", "Open a shell in the build container of a job that runs or is kept.", epilog=EPILOG)
    add_container_options(parser)
    return parser


def _chosen(parsed: argparse.Namespace) -> tuple[HostJob, JobContainer]:
    from executor.inspection.containers import choose, containers_of
    from executor.inspection.jobs import find_job, jobs_of
    from executor.sandbox.teardown import engine_in
    from executor.settings.folders import state_dir
    from executor.settings.load import load_executor_settings

    job = find_job(jobs_of(state_dir(load_executor_settings(parsed.config))), parsed.job)
    engine = engine_in(job.facts)
    container = choose(containers_of(engine, job), service=parsed.service, helper=parsed.helper)
    if not container.running and job.fate == "kept":
        engine.start_container(container.id).value()
    elif not container.running:
        raise UsageError(f"the {container.title} container of job {job.id} has ended.", fix="Try --helper.")
    return job, container


def _enter_own_attempt(arguments: list[str]) -> int:
    """For `executor exec --shell-on-failure`, between two stages: the attempt in TMPDIR, with the job's variables."""
    from executor.sandbox.state import job_folder, load

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in ("--config", "--variables", "--folder"):
        parser.add_argument(option)
    parsed = parser.parse_args(arguments)
    state = load(job_folder())
    script = f"{ENTER_WITH_VARIABLES}{BECOME_SHELL}"
    return _run(state["engine"], state["containers"][BUILD], [script, "sh", parsed.folder, parsed.variables])


def _run(engine: Mapping[str, Any], container: str, words: list[str]) -> int:
    docker = shutil.which("docker")
    if docker is None:
        raise OperatorError("The `docker` command is not installed.", fix="Install it: a shell needs it.")
    options = [*_engine_options(engine), "exec", "--interactive", "--tty"]
    return subprocess.run([docker, *options, container, "sh", "-c", *words], check=False).returncode


def _engine_options(engine: Mapping[str, Any]) -> list[str]:
    """The Engine of the job, whatever DOCKER_* variables say."""
    folder = engine["certificates"]
    files = [f"--tls{name}={folder}/{file}.pem" for name, file in (("cacert", "ca"), ("cert", "cert"), ("key", "key"))]
    return ["--host", engine["host"], *(files if folder else []), *(["--tlsverify"] if engine["verify"] else [])]
