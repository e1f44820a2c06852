"""`executor cache rm`: forgets caches."""

from __future__ import annotations

import json

from executor import terminal
from executor.cli.asking import agreed, require_person
from executor.cli.cache_choice import add_choice_options, all_of, caches_in
from executor.cli.cache_ls import plain
from executor.cli.cache_stores import settings_of, stores_of
from executor.cli.cache_words import counted
from executor.cli.parser import CommandParser
from executor.errors import CHECK_FAILED, SUCCESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.cli.cache_choice import Found

VERSION = 1

EPILOG = """\
No job finds a removed cache any more; jobs that have restored it keep it to their end. Its layers
leave the disk with the next garbage collection, which comes with jobs, or with `executor cache
gc`.

examples:
  executor cache rm deps-4f2a                    asks
  executor cache rm 'deps-*' --project virida/api --yes
"""


def main(arguments: list[str]) -> int:
    """Show them, ask, forget them; CHECK_FAILED where the answer is no."""
    parsed = make_parser().parse_args(arguments)
    caches = caches_in(stores_of(parsed, settings_of(parsed)), parsed)
    chosen = all_of(caches, parsed.keys)
    if not parsed.yes:
        require_person("cache rm")
        _show(chosen)
        if not agreed("Remove this?" if len(chosen) == 1 else f"Remove these {len(chosen)}?"):
            terminal.show("Nothing was removed.")
            return CHECK_FAILED
    for one in chosen:
        one.store.remove(one.snapshot.place)
    if parsed.json:
        terminal.show(json.dumps({"version": VERSION, "removed": [plain(one) for one in chosen]}, indent=2))
    else:
        _tell(chosen)
    return SUCCESS


def make_parser() -> CommandParser:
    """The command line of `executor cache rm`."""
    parser = CommandParser("cache rm", "Forget caches.", epilog=EPILOG)
    parser.add_argument("keys", metavar="KEY", nargs="+", help="a key, a pattern or an id each")
    add_choice_options(parser)
    parser.add_argument("--yes", action="store_true", help="remove without asking")
    parser.add_argument("--json", action="store_true", help="what was removed, as JSON on standard output; needs --yes")
    return parser


def _show(chosen: list[Found]) -> None:
    from executor.cli.cache_tables import print_caches

    print_caches(chosen)


def _tell(chosen: list[Found]) -> None:
    removed = counted(len(chosen), "cache")
    terminal.show(f"{removed} removed. `executor cache gc` frees the disk now, else a later job does.")
