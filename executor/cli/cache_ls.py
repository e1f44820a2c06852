"""`executor cache ls`: the caches of this host."""

from __future__ import annotations

import json

from executor import terminal
from executor.cli.cache_choice import add_choice_options, caches_in, matching
from executor.cli.cache_stores import settings_of, stores_of
from executor.cli.cache_words import timestamp
from executor.cli.parser import CommandParser
from executor.errors import SUCCESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from executor.cli.cache_choice import Found
    from executor.cli.cache_stores import RunnerStore

VERSION = 1

EPILOG = """\
One line a cache, the one used last first. `Age` counts from the last save, by the job in `Job`;
`Hits` are restores. `Refs` are `protected` for a cache that only jobs of protected refs use. A
cache is `local`; `shared`, which is in the bucket of all hosts too, as far as this one knows; or
`broken`: no job finds it any more, as a layer of it is lost. Where output is not a terminal,
columns are divided by tabs.

examples:
  executor cache ls                              all caches
  executor cache ls 'deps-*' --project virida/*  some
  executor cache ls --json                       for programs: keys in full
"""


def main(arguments: list[str]) -> int:
    """Show them."""
    parsed = make_parser().parse_args(arguments)
    stores = stores_of(parsed, settings_of(parsed))
    caches = caches_in(stores, parsed)
    if parsed.keys:
        wanted = {one.id for word in parsed.keys for one in matching(caches, word)}
        caches = [one for one in caches if one.id in wanted]
    broken = _broken_pointers(stores)
    if parsed.json:
        terminal.show(json.dumps(summary(caches, broken), indent=2))
    else:
        from executor.cli.cache_tables import print_caches

        print_caches(caches)
        _tell_broken(len(broken))
    return SUCCESS


def make_parser() -> CommandParser:
    """The command line of `executor cache ls`."""
    parser = CommandParser("cache ls", "List the caches that this host keeps for jobs.", epilog=EPILOG)
    parser.add_argument("keys", metavar="KEY", nargs="*", help="only these: a key, a pattern or an id each")
    add_choice_options(parser)
    parser.add_argument("--json", action="store_true", help="as JSON on standard output")
    return parser


def summary(caches: list[Found], broken: list[str]) -> dict[str, Any]:
    """The caches as plain values. `version` changes when a key is renamed, removed or gets another meaning."""
    return {"version": VERSION, "caches": [plain(one) for one in caches], "broken_pointers": broken}


def plain(one: Found) -> dict[str, Any]:
    """One cache as plain values: sizes in bytes, times in UTC."""
    snapshot = one.snapshot
    return {
        "id": one.id,
        "runner": one.runner,
        "key": snapshot.place.key,
        "project": snapshot.maker.project,
        "project_id": snapshot.place.project_id,
        "protected": one.is_protected,
        "bytes": snapshot.bytes,
        "files": snapshot.files,
        "layers": len(snapshot.layers),
        "generation": snapshot.generation,
        "saved": timestamp(snapshot.saved),
        "used": timestamp(one.kept.last_use),
        "hits": one.kept.hits,
        "job": {"id": snapshot.maker.job_id, "name": snapshot.maker.job_name},
        "state": one.state,
    }


def _broken_pointers(stores: list[RunnerStore]) -> list[str]:
    from executor.cache.store.survey import broken_pointers

    return [path for one in stores for path in broken_pointers(one.store)]


def _tell_broken(count: int) -> None:
    if count:
        pointers = "1 cache has a pointer" if count == 1 else f"{count} caches have pointers"
        terminal.complain(f"{pointers} that cannot be read: `executor cache verify` drops what is broken.")
