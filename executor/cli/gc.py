"""`executor gc`: removes what jobs that no longer live have left on this host."""

from __future__ import annotations

import argparse
import json
import sys
import time

from executor import terminal
from executor.cli.parser import CommandParser
from executor.errors import CHECK_FAILED, SUCCESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from executor.engine.client import Engine
    from executor.sandbox.garbage import Garbage
    from executor.settings.model import Settings

VERSION = 1

EPILOG = """Without --yes nothing is removed where this is not a terminal; on one you are asked. Only things of this
state folder whose job no longer lives are looked at. `prepare` of later jobs removes a share of them by itself.

examples:
  executor gc                      show what is left over, then ask
  executor gc --yes                remove it
  executor gc --older-than 2d      also sources and caches that no job has used for two days
"""


def main(arguments: list[str]) -> int:
    """Find, show, remove; CHECK_FAILED where something could not be removed."""
    from executor.sandbox.garbage import find_garbage
    from executor.settings.load import load_executor_settings

    parsed = make_parser().parse_args(arguments)
    settings = load_executor_settings(parsed.config)
    now = time.time()
    found = find_garbage(settings, _engine(settings, parsed), parsed.older_than, kept=parsed.kept)
    if not parsed.json:
        _show(found)
    if not found or not _agreed(parsed):
        return _finish(parsed, found, None)
    return _finish(parsed, found, [one.remove(now - (parsed.older_than or 0)) for one in found])


def make_parser() -> CommandParser:
    """The command line of `executor gc`."""
    parser = CommandParser("gc", "Remove what jobs that no longer live have left on this host.", epilog=EPILOG)
    parser.add_argument("--older-than", metavar="SPAN", type=_span, help="also folders unused for so long, such as 2d")
    parser.add_argument("--kept", action="store_true", help="also failed jobs that are kept for a look")
    sure = parser.add_mutually_exclusive_group()
    sure.add_argument("--yes", action="store_true", help="remove without asking")
    sure.add_argument("--dry-run", action="store_true", help="only show")
    parser.add_argument("--json", action="store_true", help="as JSON on standard output; asks nothing")
    return parser


def _span(text: str) -> int:
    from executor.settings.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _engine(settings: Settings, parsed: argparse.Namespace) -> Engine:
    """The Engine of the runner in config.toml; the default one where several runners leave it open."""
    from executor.engine.client import Engine
    from executor.engine.endpoint import find_endpoint
    from executor.errors import OperatorError
    from executor.settings.load import load_settings

    try:
        docker = load_settings(config=parsed.config, runner=parsed.runner).docker
    except OperatorError:
        docker = settings.docker
    return Engine(find_endpoint(docker))


def _agreed(parsed: argparse.Namespace) -> bool:
    if parsed.yes or parsed.dry_run or parsed.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return bool(parsed.yes)
    terminal.show("Remove all of this? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _show(found: list[Garbage]) -> None:
    for one in found:
        terminal.show(terminal.printable(f"{one.kind} {one.path}: {one.why}"))
        for thing in one.things:
            terminal.show(terminal.printable(f"  {thing}"))


def _finish(parsed: argparse.Namespace, found: list[Garbage], gone: list[bool] | None) -> int:
    """Tell what came of it. `gone` is None where nothing was to be removed."""
    failed = [one for one, is_gone in zip(found, gone or [], strict=False) if not is_gone]
    if parsed.json:
        terminal.show(json.dumps(_summary(found, gone), indent=2))
    elif not found:
        terminal.show("Nothing is left over.")
    elif gone is None:
        terminal.show(f"{len(found)} found, nothing removed. `executor gc --yes` removes it.")
    else:
        terminal.show(f"{len(found) - len(failed)} of {len(found)} removed.")
    for one in failed:
        terminal.complain(terminal.printable(f"{one.path} could not be removed, or is in use again."))
    return CHECK_FAILED if failed else SUCCESS


def _summary(found: list[Garbage], gone: list[bool] | None) -> dict[str, Any]:
    """Plain values. `version` changes when a key is renamed, removed or gets another meaning."""
    outcomes = gone if gone is not None else [None] * len(found)
    return {
        "version": VERSION,
        "removed": gone is not None,
        "found": [
            {"kind": one.kind, "path": one.path, "why": one.why, "things": list(one.things), "gone": is_gone}
            for one, is_gone in zip(found, outcomes, strict=True)
        ],
    }
