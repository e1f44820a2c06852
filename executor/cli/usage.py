"""`executor usage`: what the jobs of this host used, and which limits would suit them."""

from __future__ import annotations

import argparse
import time

from executor import terminal
from executor.cli.parser import CommandParser
from executor.errors import SUCCESS, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.settings.model import Settings
    from executor.usage.history.queries import Wanted
    from executor.usage.rightsizing import Bounds

SUGGEST = "suggest"
# Runs that `suggest` looks at: those of a job beyond its newest twenty only count for what was spent.
MOST_RUNS = 20_000

EPILOG = """examples:
  executor usage                             the last jobs of this host
  executor usage 88214                       one job: containers, curves, stages, what earlier runs say
  executor usage build:frontend              its last run, by the job's name
  executor usage 88214 --html report.html    the same as a page for a browser
  executor usage --project virida/frontend --since 2d --csv
  executor usage suggest                     limits that would suit the jobs, and what they would save

A job is in the history when it has ended; `executor ps` shows those that run. `-` is what this host cannot measure.
"""


def main(arguments: list[str]) -> int:
    """Show what the words ask for; HistoryError where there is no history, UsageError for an unknown job."""
    from executor.settings.folders import state_dir
    from executor.settings.load import load_executor_settings
    from executor.usage.history.file import history_file

    parsed = make_parser().parse_args(arguments)
    settings = load_executor_settings(parsed.config)
    path = history_file(state_dir(settings))
    if parsed.what == SUGGEST:
        _suggest(parsed, path, settings)
    elif parsed.what:
        _show_job(parsed, path, settings)
    else:
        _show_last(parsed, path)
    return SUCCESS


def make_parser() -> CommandParser:
    """The command line of `executor usage`."""
    parser = CommandParser("usage", "Show what the jobs of this host used.", epilog=EPILOG)
    parser.add_argument("what", metavar="JOB", nargs="?", help=f"a job's number in GitLab, or its name; or `{SUGGEST}`")
    parser.add_argument("--project", metavar="PATH", default="", help="only jobs of this project")
    parser.add_argument("--job", metavar="NAME", default="", help="only jobs of this name")
    parser.add_argument(
        "--since", metavar="SPAN", type=_moment, help="only jobs begun within SPAN (2d), or since a day"
    )
    parser.add_argument("--limit", metavar="N", type=_count, default=20, help="how many jobs, 20 by default")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON on standard output")
    form.add_argument("--csv", action="store_true", help="the jobs as a table for other programs")
    form.add_argument("--html", metavar="FILE", nargs="?", const="", help="JOB as a page for a browser")
    return parser


def _moment(text: str) -> float:
    """Seconds since the epoch of a span that ends now (`2d`), or of the begin of a day (`2026-09-30`)."""
    from executor.settings.units import parse_duration

    try:
        return time.time() - parse_duration(text)
    except ValueError:
        pass
    try:
        return time.mktime(time.strptime(text, "%Y-%m-%d"))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f'{text!r} is neither a span such as "2d" nor a day such as 2026-09-30'
        ) from None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**9):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of jobs")
    return int(text)


def _wanted(parsed: argparse.Namespace) -> Wanted:
    from executor.usage.history.queries import Wanted

    return Wanted(project=parsed.project, job=parsed.job, since=parsed.since)


def _show_last(parsed: argparse.Namespace, path: str) -> None:
    from executor.cli.usage_export import runs_as_csv, runs_as_json
    from executor.cli.usage_table import print_runs
    from executor.usage.history.queries import past_runs

    if parsed.html is not None:
        raise UsageError("usage: --html is for one job.", fix="`executor usage JOB --html FILE`")
    runs = past_runs(path, _wanted(parsed), limit=parsed.limit)
    if parsed.json:
        terminal.show(runs_as_json(runs))
    elif parsed.csv:
        terminal.show(runs_as_csv(runs))
    else:
        print_runs(runs, time.time())


def _show_job(parsed: argparse.Namespace, path: str, settings: Settings) -> None:
    from executor.cli.usage_export import job_as_json
    from executor.cli.usage_job import print_job
    from executor.usage.history.compare import comparison_of
    from executor.usage.history.queries import whole_run

    if parsed.csv:
        raise UsageError("usage: --csv is for lists of jobs.", fix="`executor usage --csv`")
    number = _find(path, parsed.what)
    usage, verdicts = whole_run(path, number)
    comparison = comparison_of(path, usage, _bounds(settings), before=number)
    if parsed.json:
        terminal.show(job_as_json(usage, verdicts, comparison))
    elif parsed.html is not None:
        from executor.cli.usage_page import write_page

        terminal.show(f"written: {write_page(parsed.html, usage, verdicts, comparison)}")
    else:
        print_job(usage, verdicts, comparison)


def _find(path: str, words: str) -> int:
    """The number of the run that the person means."""
    from executor.usage.history.queries import known_names, last_run

    number = last_run(path, words)
    if number is not None:
        return number
    from difflib import get_close_matches

    close = get_close_matches(words, known_names(path), n=1)
    raise UsageError(
        f"the history of this host knows no job {words!r}.",
        cause=f"Did you mean {close[0]!r}?" if close else "It ran on another host, still runs, or is too old.",
        fix="`executor usage` shows the last jobs.",
    )


def _suggest(parsed: argparse.Namespace, path: str, settings: Settings) -> None:
    from executor.cli.usage_export import advice_as_json
    from executor.cli.usage_suggest import print_advice
    from executor.usage.fleet import Prices, advise
    from executor.usage.history.queries import past_runs

    if parsed.csv or parsed.html is not None:
        raise UsageError(f"usage: {SUGGEST} has no such form.", fix=f"`executor usage {SUGGEST} --json`")
    report = settings.report
    prices = Prices(cpu_hour=report.cpu_price, memory_gib_hour=report.memory_gib_price, currency=report.currency)
    advice = advise(past_runs(path, _wanted(parsed), limit=MOST_RUNS), _bounds(settings))
    if parsed.json:
        terminal.show(advice_as_json(advice, prices))
    else:
        print_advice(advice, prices)


def _bounds(settings: Settings) -> Bounds:
    """What the operator lets a job ask for."""
    from executor.settings.units import parse_bytes, parse_cpus
    from executor.usage.rightsizing import Bounds

    limits = settings.limits
    return Bounds(
        memory=parse_bytes(limits.max_memory) if limits.max_memory else None,
        cpus=parse_cpus(limits.max_cpus) / 10**9 if limits.max_cpus else None,
    )
