"""`executor cache stats`: what the caches are good for, in numbers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from executor import terminal
from executor.cli.cache_stores import settings_of, stores_of
from executor.cli.cache_words import counted, timestamp
from executor.cli.parser import CommandParser
from executor.errors import SUCCESS, OperatorError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from executor.cache.store.model import Kept, Stats
    from executor.cache.unpacking import Measured
    from executor.cli.cache_stores import RunnerStore
    from executor.settings.model import Settings

VERSION = 1

EPILOG = """\
Hits are restores of caches that are still here, misses look-ups that found nothing since the
store was made. Bytes not unpacked are the hits of each cache times its present size. Time saved
is the hits times what gitlab-runner would take to unpack the cache at its present size, less 25
ms for a mount. What it would take is estimated from the size and the number of files, at the
speed of an idle host with 2 cores; --measure lets gitlab-runner pack and unpack a copy of the
largest cache on this host (needs twice its size of the disk meanwhile), and later calls go by
that.
"""


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """One store in numbers. `shown` are the bytes of all caches as jobs see them, layers that several share counted for
    each; `mounted` is why caches are not mounted ("" if they are).
    """

    runner: str
    folder: str
    stats: Stats
    shown: int
    bytes_not_unpacked: int
    seconds_saved: float
    measured: Measured | None
    obstacle: str

    @property
    def hit_rate(self) -> float | None:
        """Hits of all look-ups, from 0 to 1; None before the first one."""
        looked = self.stats.hits + self.stats.misses
        return self.stats.hits / looked if looked else None


def main(arguments: list[str]) -> int:
    """Show them, after a measurement where one is asked for."""
    parsed = make_parser().parse_args(arguments)
    settings = settings_of(parsed)
    stores = stores_of(parsed, settings)
    if parsed.measure:
        _measure(stores, settings)
    found = [numbers_of(one, settings) for one in stores]
    if parsed.json:
        terminal.show(json.dumps(summary(found, settings), indent=2))
    else:
        _print(found, settings)
    return SUCCESS


def make_parser() -> CommandParser:
    """The command line of `executor cache stats`."""
    parser = CommandParser("cache stats", "Show what the caches are good for.", epilog=EPILOG)
    parser.add_argument("--measure", action="store_true", help="measure here how long gitlab-runner takes to unpack")
    parser.add_argument("--json", action="store_true", help="as JSON on standard output")
    return parser


def numbers_of(one: RunnerStore, settings: Settings) -> Numbers:
    """The numbers of a store."""
    from executor.cache.unpacking import last_measured
    from executor.sandbox.caches import file_system_obstacle

    measured, kept = last_measured(one.store), one.store.snapshots()
    obstacle = file_system_obstacle(settings)
    return Numbers(
        runner=one.runner,
        folder=one.store.folder,
        stats=one.store.stats(),
        shown=sum(each.snapshot.bytes for each in kept),
        bytes_not_unpacked=0 if obstacle else sum(each.hits * each.snapshot.bytes for each in kept),
        seconds_saved=0.0 if obstacle else sum(_seconds_saved(each, measured) for each in kept),
        measured=measured,
        obstacle=obstacle,
    )


def _seconds_saved(each: Kept, measured: Measured | None) -> float:
    from executor.cache.unpacking import SECONDS_MOUNTED, seconds_to_unpack

    unpacking = seconds_to_unpack(each.snapshot.bytes, each.snapshot.files, measured)
    return each.hits * max(0.0, unpacking - SECONDS_MOUNTED)


def _measure(stores: list[RunnerStore], settings: Settings) -> None:
    """Let gitlab-runner unpack the largest cache of each store that has any."""
    from shutil import which

    from executor.cache.unpacking import measure
    from executor.cli.progress import progress

    program = settings.helper.gitlab_runner or which("gitlab-runner")
    if not program:
        raise OperatorError("no gitlab-runner is on PATH to measure with.", fix="Set `gitlab_runner` of [helper].")
    largest = [(one.store, each) for one in stores if (each := _largest(one))]
    if not largest:
        raise UsageError("there is no cache yet to measure with.")
    with progress("Packing and unpacking a cache"):
        for store, each in largest:
            measure(store, each.snapshot, program)


def _largest(one: RunnerStore) -> Kept | None:
    whole = (each for each in one.store.snapshots() if each.whole)
    return max(whole, key=lambda each: each.snapshot.bytes, default=None)


def summary(found: list[Numbers], settings: Settings) -> dict[str, Any]:
    """Plain values: bytes, seconds. `version` changes when a key is renamed, removed or gets another meaning."""
    return {"version": VERSION, "stores": [_plain(one, settings) for one in found]}


def _plain(one: Numbers, settings: Settings) -> dict[str, Any]:
    measured = one.measured
    return {
        "runner": one.runner,
        "folder": one.folder,
        **asdict(one.stats),
        "hit_rate": one.hit_rate,
        "shown_bytes": one.shown,
        "quota": settings.cache.quota,
        "max_age": settings.cache.max_age,
        "mounted": not one.obstacle,
        "bytes_not_unpacked": one.bytes_not_unpacked,
        "seconds_saved": round(one.seconds_saved, 3),
        "estimated_from": {**asdict(measured), "when": timestamp(measured.when)} if measured else None,
    }


def _print(found: list[Numbers], settings: Settings) -> None:
    from executor.cli.cache_tables import print_facts

    for index, one in enumerate(found):
        if index:
            terminal.show("")
        print_facts(_facts(one, settings))


def _facts(one: Numbers, settings: Settings) -> list[tuple[str, str]]:
    from executor.report.words import UNKNOWN, percent, size, span

    stats = one.stats
    quota, age = settings.cache.quota or "without bound", settings.cache.max_age or "for ever"
    rate = percent(stats.hits, stats.hits + stats.misses) if one.hit_rate is not None else UNKNOWN
    return [
        ("runner", one.runner),
        ("store", one.folder),
        ("caches", f"{stats.caches:,}, {size(one.shown)} as jobs see them"),
        ("on the disk", f"{size(stats.bytes)} in {counted(stats.layers, 'layer')}, {counted(stats.files, 'file')}"),
        ("bounds", f"quota {quota}, unused caches stay {age}"),
        ("leases", f"{stats.leases:,}"),
        ("hit rate", f"{rate} (caches that are here: {counted(stats.hits, 'hit')}; not found: {stats.misses:,})"),
        ("not unpacked", size(one.bytes_not_unpacked) if not one.obstacle else f"nothing: {one.obstacle}"),
        ("time saved", f"about {span(one.seconds_saved)}" if not one.obstacle else f"none: {one.obstacle}"),
        ("estimated", _basis(one.measured)),
    ]


def _basis(measured: Measured | None) -> str:
    """From what the time is estimated."""
    from executor.report.words import size, span
    from executor.sandbox.ages import span as age_span

    if measured is None:
        return "at an idle 2-core host's speed; --measure does it here"
    import time

    age = age_span(time.time() - measured.when)
    what = f"{counted(measured.files, 'file')}, {size(measured.bytes)}"
    return f"as gitlab-runner unpacked {what} here in {span(measured.seconds)}, {age} ago"
