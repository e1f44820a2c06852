"""`executor cache gc`: keeps the caches to their quota and age now, not with one of the next jobs."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from dataclasses import asdict

from executor import terminal
from executor.cli.cache_stores import settings_of, stores_of
from executor.cli.cache_words import counted, id_of, shown_key
from executor.cli.parser import CommandParser
from executor.cli.progress import progress
from executor.errors import SUCCESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from executor.cache.store.forecast import Forecast
    from executor.cache.store.model import Collected
    from executor.cli.cache_stores import RunnerStore
    from executor.settings.model import Settings

VERSION = 1

EPILOG = """\
Removes caches that no job has used for `max_age` of [cache] in executor.toml, then those used
least recently until each runner's fit into `quota`; layers that belong to no cache any more, and
what jobs that crashed left. What a living job uses stays. Jobs do the same now and then.

examples:
  executor cache gc --dry-run          what would go
  executor cache gc --quota 5g         once to less than executor.toml says
"""


def main(arguments: list[str]) -> int:
    """Collect, or say what would be collected. SystemFailure where another collection runs."""
    parsed = make_parser().parse_args(arguments)
    settings = settings_of(parsed)
    stores = stores_of(parsed, settings)
    quota, age, living = *bounds(parsed, settings), _living(settings)
    if parsed.dry_run:
        return _foretell(stores, quota, age, living, as_json=parsed.json)
    with progress("Collecting garbage"):
        gone = {one.runner: one.store.collect_garbage(quota, age, living) for one in stores}
    if parsed.json:
        terminal.show(json.dumps(_summary(gone, {}, removed=True), indent=2))
    else:
        for runner, collected in gone.items():
            _tell(runner if len(gone) > 1 else "", collected, removed=True)
    return SUCCESS


def make_parser() -> CommandParser:
    """The command line of `executor cache gc`."""
    parser = CommandParser("cache gc", "Keep the caches to their quota and age.", epilog=EPILOG)
    parser.add_argument("--dry-run", action="store_true", help="only show what would go")
    parser.add_argument("--quota", metavar="SIZE", type=_size, help="instead of `quota` of [cache], such as 5g")
    parser.add_argument("--max-age", metavar="SPAN", type=_span, help="instead of `max_age` of [cache], such as 7d")
    parser.add_argument("--json", action="store_true", help="as JSON on standard output")
    return parser


def bounds(parsed: argparse.Namespace, settings: Settings) -> tuple[int, float]:
    """The bytes and the seconds that caches may take and lie idle; what is not bounded is endless."""
    from executor.settings.units import parse_bytes, parse_duration

    quota = parse_bytes(settings.cache.quota or "0") or sys.maxsize
    age = parse_duration(settings.cache.max_age or "0") or math.inf
    return quota if parsed.quota is None else parsed.quota, age if parsed.max_age is None else parsed.max_age


def _size(text: str) -> int:
    from executor.settings.units import parse_bytes

    try:
        return parse_bytes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _span(text: str) -> int:
    from executor.settings.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _living(settings: Settings) -> Callable[[str], bool]:
    """Whether a lease is a job's that is still there: what is left of a dead one, its removal takes away first."""
    from executor.settings.folders import state_dir

    jobs = f"{state_dir(settings)}/jobs"
    return lambda lease: os.path.isdir(f"{jobs}/{lease}")


def _foretell(
    stores: list[RunnerStore], quota: int, age: float, living: Callable[[str], bool], *, as_json: bool
) -> int:
    from executor.cache.store.forecast import forecast

    found = {one.runner: forecast(one.store, quota, age, living) for one in stores}
    would = {runner: one.collected for runner, one in found.items()}
    if as_json:
        terminal.show(json.dumps(_summary(would, found, removed=False), indent=2))
        return SUCCESS
    for runner, one in found.items():
        for snapshot in one.caches:
            key = shown_key(snapshot.place.key)
            terminal.show(terminal.printable(f"{id_of(runner, snapshot.place)} {key} of {snapshot.maker.project}"))
        _tell(runner if len(found) > 1 else "", one.collected, removed=False)
    return SUCCESS


def _tell(runner: str, collected: Collected, *, removed: bool) -> None:
    from executor.report.words import size

    whose = terminal.printable(f"runner {runner}: ") if runner else ""
    layers = f"{counted(collected.layers, 'layer')} ({size(collected.bytes)})"
    left = f"{counted(collected.leases, 'lease')} and {counted(collected.stages, 'unfinished folder')} of dead jobs"
    verb = "removed" if removed else "would go"
    stay = size(collected.kept_bytes)
    terminal.show(f"{whose}{verb}: {counted(collected.caches, 'cache')}, {layers}, {left}. {stay} stay.")


def _summary(collected: dict[str, Collected], found: dict[str, Forecast], *, removed: bool) -> dict[str, Any]:
    """Plain values. `version` changes when a key is renamed, removed or gets another meaning."""
    return {
        "version": VERSION,
        "removed": removed,
        "stores": [
            {
                "runner": runner,
                **asdict(numbers),
                **({} if removed else {"ids": [id_of(runner, one.place) for one in found[runner].caches]}),
            }
            for runner, numbers in collected.items()
        ],
    }
