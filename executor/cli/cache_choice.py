"""Which caches a command means: by key, by a pattern of keys or by id, of some projects."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from executor.cache.store.model import PROTECTED
from executor.cli.cache_words import id_of, line, shown_key
from executor.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from executor.cache.store.model import Kept, Snapshot
    from executor.cache.store.store import Store
    from executor.cli.cache_stores import RunnerStore

MOST_CANDIDATES = 8


@dataclass(frozen=True)
class Found:
    """A cache, and the store of the runner that it is kept for."""

    runner: str
    store: Store
    kept: Kept

    @property
    def snapshot(self) -> Snapshot:
        """What its pointer says."""
        return self.kept.snapshot

    @property
    def id(self) -> str:
        """What stands for it on a command line."""
        return id_of(self.runner, self.snapshot.place)

    @property
    def is_protected(self) -> bool:
        """Whether only jobs of protected refs use it."""
        return self.snapshot.place.trust == PROTECTED

    @property
    def state(self) -> str:
        """Where it is: `local`; `shared`, in the bucket too when last seen; or `broken`: no job finds it any more."""
        if not self.kept.whole:
            return "broken"
        layers = (self.store.layer(layer) for layer in self.snapshot.layers)
        return "shared" if all(layer and layer.blob for layer in layers) else "local"


def add_choice_options(parser: argparse.ArgumentParser) -> None:
    """Of which projects, and of which of their two kinds of caches."""
    parser.add_argument("--project", metavar="PROJECT", help="its path (a pattern too: `virida/*`), or its number")
    trust = parser.add_mutually_exclusive_group()
    trust.add_argument("--protected", action="store_true", help="only caches that jobs of protected refs alone use")
    trust.add_argument("--unprotected", action="store_true", help="only caches that are for all jobs")


def caches_in(stores: Iterable[RunnerStore], parsed: argparse.Namespace) -> list[Found]:
    """All caches that the options leave, the one used last first."""
    found = [Found(one.runner, one.store, kept) for one in stores for kept in one.store.snapshots()]
    return sorted((one for one in found if _is_wanted(one, parsed)), key=lambda one: -one.kept.last_use)


def _is_wanted(one: Found, parsed: argparse.Namespace) -> bool:
    if (parsed.protected and not one.is_protected) or (parsed.unprotected and one.is_protected):
        return False
    project, snapshot = parsed.project, one.snapshot
    return not project or project == str(snapshot.place.project_id) or fnmatchcase(snapshot.maker.project, project)


def matching(caches: Sequence[Found], word: str) -> list[Found]:
    """Those of this key; else the one of this id; else those that the pattern fits. UsageError where there are none."""
    return (
        [one for one in caches if one.snapshot.place.key == word]
        or [one for one in caches if one.id == word]
        or [one for one in caches if fnmatchcase(one.snapshot.place.key, word)]
        or _none(caches, word)
    )


def the_one(caches: Sequence[Found], word: str) -> Found:
    """The cache that is meant. UsageError, with the candidates, where there is not just one."""
    found = matching(caches, word)
    if len(found) > 1:
        raise ambiguous(found, word)
    return found[0]


def all_of(caches: Sequence[Found], words: Sequence[str]) -> list[Found]:
    """The caches that are meant, each once. Only a pattern may mean several with one word."""
    chosen: dict[str, Found] = {}
    for word in words:
        found = matching(caches, word)
        if len(found) > 1 and any(one.snapshot.place.key == word for one in found):
            raise ambiguous(found, word)
        chosen |= {one.id: one for one in found}
    return list(chosen.values())


def ambiguous(found: Sequence[Found], word: str) -> UsageError:
    """That several caches may be meant, each with its id."""
    runners = len({one.runner for one in found}) > 1
    listed = ", ".join(_candidate(one, runners=runners) for one in found[:MOST_CANDIDATES])
    more = f" and {len(found) - MOST_CANDIDATES} more" if len(found) > MOST_CANDIDATES else ""
    return UsageError(
        f"{len(found)} caches may be meant by {shown_key(word)}: {listed}{more}.",
        fix="Name one by its id, or add --project, --protected or --unprotected.",
    )


def _candidate(one: Found, *, runners: bool) -> str:
    kind = "protected" if one.is_protected else "not protected"
    runner = f", runner {line(one.runner)}" if runners else ""
    return f"{one.id} ({line(one.snapshot.maker.project)}, {shown_key(one.snapshot.place.key)}, {kind}{runner})"


def _none(caches: Sequence[Found], word: str) -> list[Found]:
    from difflib import get_close_matches

    keys = {shown_key(one.snapshot.place.key) for one in caches}
    close = get_close_matches(shown_key(word), sorted(keys)[:1000], n=3)
    raise UsageError(
        f"no cache matches {shown_key(word)}.",
        cause=f"Did you mean {' or '.join(close)}?" if close else "",
        fix=f"`executor cache ls` shows all {len(caches)}." if caches else "There are none that could be meant.",
    )
