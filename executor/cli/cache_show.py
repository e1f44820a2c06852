"""`executor cache show`: all that is known of one cache."""

from __future__ import annotations

import json
import time

from executor import terminal
from executor.cli.cache_choice import add_choice_options, caches_in, the_one
from executor.cli.cache_ls import plain
from executor.cli.cache_stores import settings_of, stores_of
from executor.cli.cache_words import counted, shown_key, timestamp
from executor.cli.parser import CommandParser
from executor.errors import SUCCESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from executor.cache.store.model import Layer
    from executor.cli.cache_choice import Found

VERSION = 1
LONG_KEY = 400
HEADINGS = ("Layer", "Size", "Files", "Age", "On disk", "Digest")

EPILOG = """\
A cache is what its layers show together, the top one first. A job that changed something adds a
layer; they are made one again where that pays. A layer is on the disk once the host cannot lose
it any more, and gets its digest soon after the job. What a job or command uses stays until it
ends, whatever is removed.

examples:
  executor cache show deps-4f2a
  executor cache show 1c9e04d2 --json      by the id that `executor cache ls` shows
"""


def main(arguments: list[str]) -> int:
    """Show it."""
    from executor.cache.store.survey import leases_on

    parsed = make_parser().parse_args(arguments)
    one = the_one(caches_in(stores_of(parsed, settings_of(parsed)), parsed), parsed.key)
    layers = [one.store.layer(layer) for layer in one.snapshot.layers]
    users = leases_on(one.store, one.snapshot.layers)
    if parsed.json:
        terminal.show(json.dumps(summary(one, layers, users), indent=2))
    else:
        _print(one, layers, users)
    return SUCCESS


def make_parser() -> CommandParser:
    """The command line of `executor cache show`."""
    parser = CommandParser("cache show", "Show all that is known of one cache.", epilog=EPILOG)
    parser.add_argument("key", metavar="KEY", help="its key, its id, or a pattern that fits its key alone")
    add_choice_options(parser)
    parser.add_argument("--json", action="store_true", help="as JSON on standard output")
    return parser


def summary(one: Found, layers: list[Layer | None], users: list[str]) -> dict[str, Any]:
    """The cache as plain values: those of `executor cache ls`, with more of its layers."""
    known = zip(one.snapshot.layers, layers, strict=True)
    return {
        "version": VERSION,
        **plain(one),
        "store": one.store.folder,
        "prefix": one.snapshot.prefix,
        "paths": list(one.snapshot.roots),
        "layers": [_plain_layer(name, layer) for name, layer in known],
        "leases": users,
    }


def _plain_layer(name: str, layer: Layer | None) -> dict[str, Any]:
    if layer is None:
        return {"id": name, "lost": True}
    return {
        "id": name,
        "lost": False,
        "bytes": layer.bytes,
        "files": layer.files,
        "made": timestamp(layer.made),
        "on_disk": layer.synced,
        "digest": layer.digest,
    }


def _print(one: Found, layers: list[Layer | None], users: list[str]) -> None:
    from executor.cli.cache_tables import print_facts, print_rows

    print_facts(_facts(one, users))
    terminal.show("")
    known = zip(one.snapshot.layers, layers, strict=True)
    print_rows(HEADINGS, [_layer_row(name, layer) for name, layer in known], "It has no layers.")


def _facts(one: Found, users: list[str]) -> Iterator[tuple[str, str]]:
    from executor.report.words import size
    from executor.sandbox.ages import span

    snapshot, now = one.snapshot, time.time()
    yield "key", shown_key(snapshot.place.key, LONG_KEY)
    yield "id", one.id
    yield "project", f"{snapshot.maker.project} (number {snapshot.place.project_id})"
    yield "refs", "protected" if one.is_protected else "all"
    yield "content", f"{size(snapshot.bytes)}, {counted(snapshot.files, 'file')}"
    yield "paths", _listed(snapshot.roots)
    yield "saved", f"{span(now - snapshot.saved)} ago by job {snapshot.maker.job_id} ({snapshot.maker.job_name})"
    yield "used", f"{span(now - one.kept.last_use)} ago; restored {counted(one.kept.hits, 'time')}"
    yield "version", str(snapshot.generation)
    yield "state", one.state
    yield "in use by", _listed(users) or "nobody"
    yield "store", one.store.folder


def _listed(words: tuple[str, ...] | list[str], most: int = 10) -> str:
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(shown_key(word, 200) for word in words[:most]) + more


def _layer_row(name: str, layer: Layer | None) -> tuple[str, ...]:
    from executor.report.words import size
    from executor.sandbox.ages import span

    if layer is None:
        return (name, "-", "-", "-", "lost", "-")
    return (
        name,
        size(layer.bytes),
        f"{layer.files:,}",
        span(time.time() - layer.made),
        "yes" if layer.synced else "not yet",
        layer.digest[:12] or "not yet",
    )
