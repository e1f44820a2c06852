"""`executor logs JOB`: what the containers of a job wrote themselves."""

from __future__ import annotations

import argparse
import sys

from executor import terminal
from executor.cli.parser import CommandParser, add_container_options
from executor.errors import SUCCESS, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from executor.engine.client import Engine
    from executor.inspection.containers import JobContainer

EPILOG = """What you see is the output of the images' own programs: of services, and of the entrypoint of the build
container. The output of the job's script goes to GitLab and is not stored here: read it in the job's log.

examples:
  executor logs 1001                        all containers of the job, each line with its container's name
  executor logs 1001 --service postgres     one service
  executor logs 1001 --follow               and what comes, until they end
"""


def main(arguments: list[str]) -> int:
    """Print the lines."""
    from executor.inspection.containers import choose, containers_of
    from executor.inspection.jobs import find_job, jobs_of
    from executor.sandbox.teardown import engine_in
    from executor.settings.folders import state_dir
    from executor.settings.load import load_executor_settings

    parsed = make_parser().parse_args(arguments)
    job = find_job(jobs_of(state_dir(load_executor_settings(parsed.config))), parsed.job)
    engine = engine_in(job.facts)
    containers = containers_of(engine, job)
    if parsed.service or parsed.helper:
        containers = [choose(containers, service=parsed.service, helper=parsed.helper)]
    if not containers:
        raise UsageError(f"job {job.id} has no containers.", cause="They are not made yet, or are removed.")
    if not _print_lines(_lines(engine, containers, parsed)):
        terminal.complain(f"The containers of job {job.id} wrote nothing themselves; the script's output is in GitLab.")
    return SUCCESS


def make_parser() -> CommandParser:
    """The command line of `executor logs`."""
    parser = CommandParser("logs", "Print what the containers of a job wrote themselves.", epilog=EPILOG)
    add_container_options(parser)
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what they write from now on")
    parser.add_argument("--tail", metavar="N", type=_count, help="the last N lines of each")
    return parser


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of lines")
    return int(text)


def _lines(engine: Engine, containers: list[JobContainer], parsed: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Pairs of a container's title and a line."""
    from executor.inspection.output import followed, lines_of

    tail = "all" if parsed.tail is None else parsed.tail
    if parsed.follow:
        yield from followed(engine, containers, tail=tail)
        return
    for container in containers:
        for line in lines_of(engine, container, tail=tail):
            yield container.title, line


def _print_lines(lines: Iterator[tuple[str, str]]) -> bool:
    """Whether there was any. On a terminal nothing that a container wrote moves the cursor."""
    safe = terminal.printable if sys.stdout.isatty() else str
    some = False
    for title, line in lines:
        terminal.show(f"{terminal.printable(title)} | {safe(line)}")
        some = True
    return some
