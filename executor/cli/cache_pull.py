"""`executor cache pull`: fetches caches from the bucket that hosts share."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from executor import terminal
from executor.cache.store.model import PROTECTED, UNPROTECTED, Place
from executor.cli.cache_bucket import bucket_and_store
from executor.cli.cache_choice import add_choice_options, all_of, caches_in
from executor.cli.cache_words import counted, id_of, shown_key
from executor.cli.parser import CommandParser
from executor.cli.progress import progress
from executor.errors import CHECK_FAILED, SUCCESS, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from executor.cache.store.model import Snapshot
    from executor.cli.cache_choice import Found
    from executor.cli.cache_stores import RunnerStore
    from executor.settings.model import Settings

VERSION = 1

EPILOG = """\
Jobs do this by themselves before they restore a cache: this is for a new host, before its first
job. Of a cache that is not here yet the key has to be written in full, with the project's number.
Only layers that are not here are fetched; a version that was saved here and is as new stays.

examples:
  executor cache pull '*'                            what is here, if the bucket has it newer
  executor cache pull deps-4f2a --project 7          a cache that is not here
  executor cache pull deps-4f2a-protected --project 7 --protected
"""


@dataclass(frozen=True)
class Pulled:
    """What came of one cache: the newer version that is here now, or why there is none (nothing newer where "")."""

    place: Place
    snapshot: Snapshot | None
    failure: str


def main(arguments: list[str]) -> int:
    """Fetch one after the other; CHECK_FAILED where one could not be."""
    parsed = make_parser().parse_args(arguments)
    settings, one = bucket_and_store(parsed)
    results = [_pull(settings, one, place) for place in _places(caches_in([one], parsed), parsed)]
    if parsed.json:
        caches = [_plain(one.runner, result) for result in results]
        terminal.show(json.dumps({"version": VERSION, "caches": caches}, indent=2))
    else:
        for result in results:
            _tell(result)
    return CHECK_FAILED if any(result.failure for result in results) else SUCCESS


def make_parser() -> CommandParser:
    """The command line of `executor cache pull`."""
    parser = CommandParser("cache pull", "Fetch what the bucket that hosts share has newer.", epilog=EPILOG)
    parser.add_argument("keys", metavar="KEY", nargs="+", help="a key; of caches that are here also a pattern or an id")
    add_choice_options(parser)
    parser.add_argument("--json", action="store_true", help="as JSON on standard output")
    return parser


def _places(caches: list[Found], parsed: argparse.Namespace) -> list[Place]:
    """Where the caches are: known ones, or those that --project and the key say."""
    places: dict[Place, None] = {}
    for word in parsed.keys:
        try:
            places |= {one.snapshot.place: None for one in all_of(caches, [word])}
        except UsageError as error:
            if not (word and (parsed.project or "").isdigit()):
                raise UsageError(error.what, cause=error.cause, fix=_how_to_name(error)) from None
            trust = PROTECTED if parsed.protected else UNPROTECTED
            places[Place(project_id=int(parsed.project), trust=trust, key=word)] = None
    return list(places)


def _how_to_name(error: UsageError) -> str:
    if "may be meant" in error.what:
        return error.fix
    return "Of a cache that is not on this host, write the key in full and add --project NUMBER."


def _pull(settings: Settings, one: RunnerStore, place: Place) -> Pulled:
    """Fetch one cache. A bucket that failed once is asked again for the next: it may have been that cache's fault."""
    from executor.cache.remote.remote import Remote
    from executor.cache.store.processes import own_lease

    lease, told = own_lease(os.urandom(4).hex()), list[str]()
    try:
        with progress(f"Fetching {shown_key(place.key)}") as work:
            snapshot = Remote(settings).pull(one.store, [place], lease, work.reach, told.append)
            if snapshot:
                one.store.finish([place])
            elif not told and one.store.peek(place) is None:
                told.append("The bucket has no such cache.")
    finally:
        one.store.release(lease)
    return Pulled(place, snapshot, " ".join(told))


def _plain(runner: str, result: Pulled) -> dict[str, Any]:
    snapshot = result.snapshot
    return {
        "id": id_of(runner, result.place),
        "key": result.place.key,
        "project_id": result.place.project_id,
        "protected": result.place.trust == PROTECTED,
        "fetched": snapshot is not None,
        "generation": snapshot.generation if snapshot else None,
        "bytes": snapshot.bytes if snapshot else None,
        "files": snapshot.files if snapshot else None,
        "failure": result.failure,
    }


def _tell(result: Pulled) -> None:
    from executor.report.words import size

    key, snapshot = shown_key(result.place.key), result.snapshot
    if result.failure:
        terminal.complain(f"{key}: {terminal.printable(result.failure)}")
    elif snapshot is None:
        terminal.show(f"{key}: the bucket has nothing newer.")
    else:
        content = f"{size(snapshot.bytes)}, {counted(snapshot.files, 'file')}"
        terminal.show(f"{key}: version {snapshot.generation} is here now: {content} (job {snapshot.maker.job_id}).")
