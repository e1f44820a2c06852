"""`executor cache verify`: whether all caches are still what was saved."""

from __future__ import annotations

import json

from executor import terminal
from executor.cli.cache_stores import settings_of, stores_of
from executor.cli.cache_words import counted, id_of, shown_key
from executor.cli.parser import CommandParser
from executor.cli.progress import progress
from executor.errors import CHECK_FAILED, SUCCESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from executor.cache.store.checking import Checked, Dropped

    Results = dict[str, Checked]

VERSION = 1

EPILOG = """\
Reads all layers and compares them with their digests. A cache with a damaged or missing layer is
dropped, and so is a pointer that cannot be read: jobs make it anew. A layer gets its digest soon
after the job that saved it.

Exit code 0 when all was well, 1 when something was wrong (and is dropped now), 2 for a wrong
call.
"""


def main(arguments: list[str]) -> int:
    """Check all stores; CHECK_FAILED where something was wrong."""
    from executor.cache.store.checking import bytes_to_check, check

    parsed = make_parser().parse_args(arguments)
    stores = stores_of(parsed, settings_of(parsed))
    total = sum(bytes_to_check(one.store) for one in stores)
    with progress("Verifying caches", total) as work:
        results = {one.runner: check(one.store, work.step) for one in stores}
    if parsed.json:
        terminal.show(json.dumps(summary(results), indent=2))
    else:
        _tell(results)
    return SUCCESS if all(result.is_well for result in results.values()) else CHECK_FAILED


def make_parser() -> CommandParser:
    """The command line of `executor cache verify`."""
    parser = CommandParser("cache verify", "Compare all caches with their digests; drop what is wrong.", epilog=EPILOG)
    parser.add_argument("--json", action="store_true", help="as JSON on standard output")
    return parser


def summary(results: Results) -> dict[str, Any]:
    """What was found as plain values. `version` changes when a key is renamed, removed or gets another meaning."""
    return {
        "version": VERSION,
        "well": all(result.is_well for result in results.values()),
        "layers": sum(result.layers for result in results.values()),
        "bytes": sum(result.bytes for result in results.values()),
        "without_digest": sum(result.yet for result in results.values()),
        "wrong_layers": {layer: why for result in results.values() for layer, why in result.wrong.items()},
        "dropped": [_plain(runner, one) for runner, result in results.items() for one in result.dropped],
        "broken_pointers": [path for result in results.values() for path in result.pointers],
    }


def _plain(runner: str, one: Dropped) -> dict[str, Any]:
    place, maker = one.snapshot.place, one.snapshot.maker
    return {
        "id": id_of(runner, place),
        "runner": runner,
        "project": maker.project,
        "key": place.key,
        "protected": place.trust == "p",
        "layer": one.layer,
        "why": one.why,
    }


def _wrong_with(result: Checked) -> Iterator[str]:
    for one in result.dropped:
        key, project = shown_key(one.snapshot.place.key), one.snapshot.maker.project
        yield f"dropped {key} of {project}: layer {one.layer}: {one.why}"
    for path in result.pointers:
        yield f"dropped a pointer that could not be read: {path}"
    for layer in set(result.wrong) - {one.layer for one in result.dropped}:
        yield f"dropped layer {layer}: {result.wrong[layer]}"


def _tell(results: Results) -> None:
    from executor.report.words import size

    for result in results.values():
        for text in _wrong_with(result):
            terminal.show(terminal.printable(text))
    layers, count = (sum(getattr(one, name) for one in results.values()) for name in ("layers", "bytes"))
    dropped = sum(len(result.dropped) + len(result.pointers) for result in results.values())
    well = all(result.is_well for result in results.values())
    fate = "all is well" if well else f"{counted(dropped, 'cache')} dropped"
    terminal.show(f"{counted(layers, 'layer')} ({size(count)}) checked: {fate}.")
    if yet := sum(result.yet for result in results.values()):
        terminal.show(
            f"Not checked, for want of a digest: {counted(yet, 'layer')}. Jobs that have just ended make theirs."
        )
