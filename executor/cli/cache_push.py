"""`executor cache push`: uploads caches to the bucket that hosts share."""

from __future__ import annotations

import json
from dataclasses import asdict

from executor import terminal
from executor.cli.cache_bucket import bucket_and_store
from executor.cli.cache_choice import add_choice_options, all_of, caches_in
from executor.cli.cache_ls import plain
from executor.cli.cache_words import counted, shown_key
from executor.cli.parser import CommandParser
from executor.cli.progress import progress
from executor.errors import CHECK_FAILED, SUCCESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.cache.remote.push import PushResult
    from executor.cli.cache_choice import Found
    from executor.settings.model import Settings

    Results = list[tuple[Found, PushResult]]

VERSION = 1

EPILOG = """\
Jobs do this by themselves after they have saved a cache: this is for caches of a time without a
bucket, or after a failure of it. Only layers that the bucket lacks are uploaded. The version here
becomes the one that all hosts find, whoever has saved last.

examples:
  executor cache push deps-4f2a
  executor cache push '*' --project virida/api
"""


def main(arguments: list[str]) -> int:
    """Upload one after the other; CHECK_FAILED where one could not be."""
    parsed = make_parser().parse_args(arguments)
    settings, one = bucket_and_store(parsed)
    results = [(found, _push(settings, found)) for found in all_of(caches_in([one], parsed), parsed.keys)]
    if parsed.json:
        pushed = [{**plain(found), **asdict(result)} for found, result in results]
        terminal.show(json.dumps({"version": VERSION, "caches": pushed}, indent=2))
    else:
        _tell(results)
    return SUCCESS if all(result.pushed for _, result in results) else CHECK_FAILED


def make_parser() -> CommandParser:
    """The command line of `executor cache push`."""
    parser = CommandParser("cache push", "Upload caches to the bucket that hosts share.", epilog=EPILOG)
    parser.add_argument("keys", metavar="KEY", nargs="+", help="a key, a pattern or an id each")
    add_choice_options(parser)
    parser.add_argument("--json", action="store_true", help="as JSON on standard output")
    return parser


def _push(settings: Settings, found: Found) -> PushResult:
    from executor.cache.remote.remote import Remote

    with progress(f"Uploading {shown_key(found.snapshot.place.key)}") as work:
        return Remote(settings).push(found.store, found.snapshot, work.reach)


def _tell(results: Results) -> None:
    from executor.report.words import size, span

    for found, result in results:
        key = shown_key(found.snapshot.place.key)
        if not result.pushed:
            terminal.complain(f"{key}: {result.failure}")
        elif not result.uploaded:
            terminal.show(f"{key}: the bucket has all of its layers.")
        else:
            there = f", {result.reused} were there" if result.reused else ""
            layers = f"{counted(result.uploaded, 'layer')} ({size(result.bytes)})"
            terminal.show(f"{key}: {layers} uploaded in {span(result.seconds)}{there}.")
