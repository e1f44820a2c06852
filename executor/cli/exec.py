"""`executor exec [JOB ...]`: run the repository's pipeline here, through the same driver as on a runner."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from executor import terminal
from executor.errors import CHECK_FAILED, SUCCESS, UsageError
from executor.job.model import Variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from executor.pipeline.local.display import Display
    from executor.pipeline.local.model import JobResult
    from executor.pipeline.local.run import LocalPipeline, Options

EXAMPLES = """examples:
  executor exec                              the whole pipeline
  executor exec test:go                      this job alone
  executor exec 'test:*' --needs             all test jobs and what has to run before them
  executor exec test:go --shell-on-failure   a shell in its container if it fails
  executor exec --list                       what there is to run
"""


class Parser(argparse.ArgumentParser):
    """An argument parser that reports mistakes as every other command does."""

    def error(self, message: str) -> NoReturn:
        """Raise the mistake."""
        raise UsageError(f"exec: {message}.", fix="`executor exec --help` shows the options.")

    def print_help(self, file: object = None) -> None:
        """Show the options."""
        terminal.show(self.format_help().rstrip())


def main(arguments: list[str]) -> int:
    """List or run the jobs; CHECK_FAILED where one failed that must not."""
    from executor.pipeline.local.run import read_pipeline

    parsed = make_parser().parse_args(arguments)
    options = _options(parsed)
    local = read_pipeline(options, Path.cwd())
    if parsed.list:
        _show_list(local, as_json=parsed.json)
        return SUCCESS
    return _run(local, options, as_json=parsed.json)


def make_parser() -> Parser:
    """The command line of `executor exec`."""
    parser = Parser(
        prog="executor exec",
        description="Run the jobs of .gitlab-ci.yml here, in the same containers as on a runner.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="names or globs of jobs; none is the whole pipeline")
    parser.add_argument("--needs", action="store_true", help="also run what the named jobs need")
    parser.add_argument("--list", action="store_true", help="show the jobs and run none")
    _add_job_options(parser)
    _add_source_options(parser)
    parser.add_argument(
        "--json", action="store_true", help="the result as JSON on standard output, the rest on standard error"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _add_job_options(parser: Parser) -> None:
    parser.add_argument(
        "--variable",
        action="append",
        default=[],
        metavar="K=V",
        type=_variable,
        help="a variable that wins over the file's; K alone takes the value of the environment, masked in logs",
    )
    parser.add_argument(
        "--file-variable",
        action="append",
        default=[],
        metavar="K=PATH",
        type=_file_variable,
        help="a variable of type file",
    )
    parser.add_argument("--image", default="", help="run the jobs in this image")
    parser.add_argument("--shell-on-failure", action="store_true", help="open a shell in the failed job's container")
    parser.add_argument("-j", "--jobs", dest="at_once", type=_at_once, default=0, metavar="N", help="jobs at once")


def _add_source_options(parser: Parser) -> None:
    parser.add_argument("--committed-only", "--clean", action="store_true", help="leave uncommitted changes out")
    parser.add_argument(
        "--file", default=".gitlab-ci.yml", metavar="PATH", help="the pipeline's file in the repository"
    )
    parser.add_argument("--config", metavar="FILE", help="the config.toml to take settings from")
    parser.add_argument("--runner", metavar="NAME", help="the runner in config.toml to take settings from")


def _options(parsed: argparse.Namespace) -> Options:
    from executor.pipeline.local.run import Options

    if parsed.needs and not parsed.jobs:
        raise UsageError(
            "exec: --needs goes with the name of a job.", fix="Without names the whole pipeline runs anyway."
        )
    if parsed.shell_on_failure and not sys.stdin.isatty():
        raise UsageError("exec: --shell-on-failure needs a terminal as standard input.")
    return Options(
        jobs=parsed.jobs,
        needs=parsed.needs,
        variables=(*parsed.variable, *parsed.file_variable),
        image=parsed.image,
        shell_on_failure=parsed.shell_on_failure,
        jobs_at_once=parsed.at_once,
        file=parsed.file,
        config=parsed.config,
        runner=parsed.runner,
        committed_only=parsed.committed_only,
    )


def _run(local: LocalPipeline, options: Options, *, as_json: bool) -> int:
    from executor.pipeline.local.run import run_pipeline
    from executor.pipeline.local.summary import overall

    display = _display(as_json=as_json)
    started = time.monotonic()
    results = run_pipeline(local, options, display)
    _show_results(results, time.monotonic() - started, local, display, as_json=as_json)
    return SUCCESS if overall(results) == "passed" else CHECK_FAILED


def _show_results(
    results: list[JobResult], seconds: float, local: LocalPipeline, display: Display, *, as_json: bool
) -> None:
    from executor.pipeline.local import summary

    root = local.repository.root
    if as_json:
        terminal.show(json.dumps(summary.as_json(results, seconds, root), indent=2))
        return
    display.say("")
    for line in summary.summary_lines(results, seconds, root):
        display.say(line.text, line.style)


def _display(*, as_json: bool) -> Display:
    stream = sys.stderr if as_json else sys.stdout
    if terminal.moves(stream):
        from executor.pipeline.local.live_display import LiveDisplay

        return LiveDisplay(stream)
    from executor.pipeline.local.display import Display

    return Display(stream)


def _show_list(local: LocalPipeline, *, as_json: bool) -> None:
    from executor.pipeline.local import listing
    from executor.pipeline.local.preview import with_expanded_images
    from executor.pipeline.local.words import Words

    pipeline = with_expanded_images(local)
    if as_json:
        terminal.show(json.dumps(listing.list_json(pipeline), indent=2))
        return
    words = Words()
    for line in (*local.pipeline.remarks, *listing.list_lines(pipeline)):
        terminal.show(words.printable(line))


def _variable(text: str) -> Variable:
    key, equals, value = text.partition("=")
    if equals and key:
        return Variable(key=key, value=value)
    if not equals and text in os.environ:
        return Variable(key=text, value=os.environ[text], masked=True)
    raise argparse.ArgumentTypeError(f"{text!r} is neither K=V nor the name of an environment variable")


def _file_variable(text: str) -> Variable:
    key, _, path = text.partition("=")
    try:
        return Variable(key=key, value=Path(path).read_text(), file=True)
    except (OSError, UnicodeDecodeError):
        raise argparse.ArgumentTypeError(f"{path or text!r} is not a readable text file") from None


def _at_once(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)
