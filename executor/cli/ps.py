"""`executor ps`: the jobs that run on this host, the stage each is in, and what it uses."""

from __future__ import annotations

import json
import time

from executor import terminal
from executor.cli.parser import CommandParser
from executor.errors import CHECK_FAILED, SUCCESS, ExecutorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from executor.engine.client import Engine
    from executor.engine.endpoint import Endpoint
    from executor.inspection.containers import JobContainer
    from executor.inspection.jobs import HostJob

VERSION = 1

EXAMPLES = """examples:
  executor ps                 a table; columns divided by tabs where output is not a terminal
  executor ps --json          for programs

Times count from the begin of the job and of its stage. CPU is in cores, over a third of a second; memory is without
file pages that can be dropped, as in `docker stats`.
"""


def main(arguments: list[str]) -> int:
    """Show them; CHECK_FAILED where the Engine does not tell of their containers."""
    from executor.inspection.jobs import jobs_of
    from executor.settings.folders import state_dir
    from executor.settings.load import load_executor_settings

    parsed = make_parser().parse_args(arguments)
    folder = state_dir(load_executor_settings(parsed.config))
    jobs = jobs_of(folder)
    shown = [job for job in jobs if job.fate in ("running", "kept")]
    containers, complete = _containers(shown)
    left_over = sum(job.fate == "left over" for job in jobs)
    if parsed.json:
        terminal.show(json.dumps(summary(folder, shown, containers, left_over), indent=2))
    else:
        from executor.cli.ps_table import print_jobs

        print_jobs(shown, containers, time.time())
        _tell_left_over(left_over)
    return SUCCESS if complete else CHECK_FAILED


def make_parser() -> CommandParser:
    """The command line of `executor ps`."""
    parser = CommandParser("ps", "Show the jobs that run on this host, and those kept for a look.", epilog=EXAMPLES)
    parser.add_argument("--json", action="store_true", help="as JSON on standard output")
    return parser


def summary(
    folder: str, jobs: list[HostJob], containers: dict[str, list[JobContainer]], left_over: int
) -> dict[str, Any]:
    """The jobs as plain values. `version` changes when a key is renamed, removed or gets another meaning."""
    return {
        "version": VERSION,
        "state_dir": folder,
        "jobs": [_job(job, containers[job.key]) for job in jobs],
        "left_over": left_over,
    }


def _job(job: HostJob, containers: list[JobContainer]) -> dict[str, Any]:
    from dataclasses import asdict

    now = time.time()
    return {
        **{name: getattr(job, name) for name in ("id", "key", "name", "project", "ref", "sha", "stage")},
        "state": job.fate,
        "began": _timestamp(job.began),
        "stage_began": _timestamp(job.stage_began),
        "kept_until": None if job.seconds_kept is None else _timestamp(now + job.seconds_kept),
        "containers": [asdict(container) for container in containers],
    }


def _containers(jobs: list[HostJob]) -> tuple[dict[str, list[JobContainer]], bool]:
    """The containers of each job by its key, and whether every Engine told of them."""
    from executor.sandbox.teardown import engine_in

    found: dict[str, list[JobContainer]] = {job.key: [] for job in jobs}
    engines: dict[Endpoint, tuple[Engine, list[HostJob]]] = {}
    for job in jobs:
        engine = engine_in(job.facts)
        engines.setdefault(engine.endpoint, (engine, []))[1].append(job)
    complete = True
    for engine, its_jobs in engines.values():
        try:
            found |= _measured(engine, its_jobs)
        except ExecutorError as error:
            complete = False
            terminal.complain(error.one_line())
    return found, complete


def _measured(engine: Engine, jobs: list[HostJob]) -> dict[str, list[JobContainer]]:
    """Those of one Engine, all measured at the same time."""
    from executor.inspection.containers import containers_of, measured

    containers = {job.key: containers_of(engine, job) for job in jobs}
    now = {one.id: one for one in measured(engine, [one for its in containers.values() for one in its])}
    return {key: [now[one.id] for one in its] for key, its in containers.items()}


def _tell_left_over(count: int) -> None:
    if count:
        jobs = "1 job is" if count == 1 else f"{count} jobs are"
        terminal.complain(f"{jobs} left over from a crash: `executor gc` removes what is there of them.")


def _timestamp(seconds: float) -> str | None:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)) if seconds else None
