"""Finding, publishing and forgetting caches."""

from __future__ import annotations

import dataclasses
import os
import stat
import time
from typing import TYPE_CHECKING

import pytest

from executor.cache.store import processes
from executor.cache.store.failures import CacheFailure
from executor.cache.store.store import Store, can_be_base
from tests.unit.cache.store.staging import GONE, MAKER, PREFIX, place, save, shown

if TYPE_CHECKING:
    from pathlib import Path

FILE = {"node_modules/a": "1"}

HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "",
    ".",
    "a\0b",
    "a\nb",
    "x" * 100_000,
    "%2e%2e%2f",
    "\udcff",
    "{}",
    "$(id)",
]


def test_what_was_saved_is_found(store: Store) -> None:
    saved = save(store, FILE)

    found = store.find([place()], "other")

    assert found == saved
    assert shown(store, saved) == FILE
    assert (saved.files, saved.generation, saved.maker, saved.roots) == (1, 1, MAKER, ("node_modules",))


def test_a_place_without_a_cache_is_a_miss(store: Store) -> None:
    assert store.find([place()], "job") is None
    assert store.stats().misses == 1


def test_the_first_place_that_has_one_is_it(store: Store) -> None:
    second, third = save(store, FILE, at=place("second")), save(store, FILE, at=place("third"))

    assert store.find([place("first"), place("second"), place("third")], "job") == second
    assert store.find([place("third"), place("second")], "job") == third


@pytest.mark.parametrize("other", [place(project=8), place(trust="u"), place("Default")])
def test_projects_trusts_and_keys_do_not_see_each_other(store: Store, other: object) -> None:
    save(store, FILE)

    assert store.find([other], "job") is None  # type: ignore[list-item]


@pytest.mark.parametrize("key", HOSTILE)
def test_a_key_may_be_anything_and_names_no_path(tmp_path: Path, store: Store, key: str) -> None:
    saved = save(store, FILE, at=place(key))

    assert store.find([place(key)], "job") == saved
    paths = [path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "store")]
    assert paths == []
    pointers = [path.name for path in (tmp_path / "store" / "keys" / "7" / "p").iterdir()]
    assert sorted(len(name.partition(".")[0]) for name in pointers) == [64, 64]


@pytest.mark.parametrize("lease", ["", ".", "../x", "a/b", "a\nb", ".hidden", "x" * 300])
def test_a_lease_is_a_plain_name(store: Store, lease: str) -> None:
    with pytest.raises(ValueError, match="lease"):
        store.find([place()], lease)
    with pytest.raises(ValueError, match="lease"):
        store.stage(lease)


def test_a_trust_that_does_not_exist_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="trust"):
        store.find([place(trust="../p")], "job")


def test_the_store_is_closed_to_others(tmp_path: Path) -> None:
    os.umask(umask := os.umask(0))
    try:
        os.umask(0)
        store = Store(f"{tmp_path}/store")
        save(store, FILE)
        store.find([place()], "job")
    finally:
        os.umask(umask)

    modes = {path: stat.S_IMODE(os.lstat(path).st_mode) for path in tmp_path.rglob("*")}
    open_to_others = [path for path, mode in modes.items() if mode & 0o077 and "/l/" not in str(path)]
    assert open_to_others == []
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in (tmp_path / "store" / "l").iterdir())


def test_a_delta_changes_adds_and_removes(store: Store) -> None:
    base = save(store, {"node_modules/a": "1", "node_modules/b": "2", "node_modules/d/e": "3"})
    delta = {"node_modules/a": "new", "node_modules/b": GONE, "node_modules/f": "4"}

    saved = save(store, delta, base=base)

    assert shown(store, saved) == {"node_modules/a": "new", "node_modules/d/e": "3", "node_modules/f": "4"}
    assert (saved.layers[1:], saved.files, saved.generation) == (base.layers, 3, 2)
    assert store.layer(saved.layers[0]).parent == base.layers[0]  # type: ignore[union-attr]


def test_the_last_writer_wins_and_both_deltas_are_whole(store: Store) -> None:
    base = save(store, FILE)
    one = save(store, {"node_modules/b": "one"}, base=base, lease="one")
    two = save(store, {"node_modules/c": "two"}, base=base, lease="two")

    assert store.find([place()], "job") == two
    assert shown(store, two) == {"node_modules/a": "1", "node_modules/c": "two"}
    assert shown(store, one) == {"node_modules/a": "1", "node_modules/b": "one"}
    assert (base.generation, one.generation, two.generation) == (1, 2, 3)


def test_a_delta_without_a_change_is_no_version(store: Store) -> None:
    base = save(store, FILE)

    saved = save(store, {"node_modules/": None}, base=base)

    assert saved == base
    assert os.listdir(f"{store.folder}/l") == list(base.layers)
    assert os.listdir(f"{store.folder}/tmp") == []


def test_a_fallback_that_was_not_changed_is_saved_under_the_jobs_own_key(store: Store) -> None:
    base = save(store, FILE, at=place("main"))

    saved = save(store, {}, at=place("branch"), base=base)

    assert store.find([place("branch")], "job") == saved
    assert (saved.layers, saved.generation) == (base.layers, 1)


def test_paths_that_are_no_more_of_the_cache_go(store: Store) -> None:
    base = save(store, {"node_modules/a": "1", "dist/b": "2"}, roots=("node_modules", "dist"))

    saved = save(store, {"node_modules/c": "3"}, base=base)

    assert shown(store, saved) == {"node_modules/a": "1", "node_modules/c": "3"}
    assert shown(store, dataclasses.replace(saved, roots=("dist",))) == {}
    assert saved.files == 2


@pytest.mark.parametrize(("prefix", "root"), [("group/renamed", "a"), (PREFIX, "a/b"), (PREFIX, ".")])
def test_a_base_that_is_laid_out_in_another_way_is_refused(store: Store, prefix: str, root: str) -> None:
    base = save(store, {"a/b": "1"}, roots=("a",))
    with pytest.raises(ValueError, match="whole tree"):
        save(store, {}, base=base, prefix=prefix, roots=(root,))


def test_a_project_that_was_renamed_is_restored_by_copying(store: Store) -> None:
    saved = save(store, FILE)

    assert shown(store, saved, "new/name") == FILE


def test_a_cache_that_is_one_file_is_one(store: Store) -> None:
    base = save(store, {"cache.db": "1"}, roots=("cache.db",))
    saved = save(store, {"cache.db": "2"}, base=base, roots=("cache.db",))

    assert shown(store, saved) == {"cache.db": "2"}
    assert len(saved.layers) == 1, "nothing of the base is to be seen"


def test_a_cache_of_several_paths_may_miss_some(store: Store) -> None:
    saved = save(store, FILE, roots=("node_modules", "missing", "de/ep"))

    assert shown(store, saved) == FILE


@pytest.mark.parametrize("what", ["layer", "facts", "torn facts", "torn pointer", "empty pointer"])
def test_what_is_damaged_is_passed_over(store: Store, what: str) -> None:
    fallback = save(store, FILE, at=place("fallback"))
    saved = save(store, FILE)
    [pointer] = [path for path in store.records.pointer_files() if path == store.records.pointer_path(place())]
    facts = f"{store.folder}/meta/{saved.layers[0]}.json"
    match what:
        case "layer":
            os.rename(store.layer_path(saved.layers[0]), f"{store.folder}/lost")
        case "facts":
            os.unlink(facts)
        case "torn facts":
            os.truncate(facts, 20)
        case "torn pointer":
            os.truncate(pointer, 20)
        case "empty pointer":
            os.truncate(pointer, 0)

    assert store.find([place(), place("fallback")], "job") == fallback


def test_after_a_restart_of_the_host_only_what_the_disk_had_is_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = save(store, FILE, at=place("synced"))
    store.finish([place("synced")])
    save(store, FILE, at=place("unsynced"))
    monkeypatch.setattr(processes, "boot_id", lambda: "another")
    monkeypatch.setattr("executor.cache.store.store.boot_id", lambda: "another")

    found = store.find([place("unsynced"), place("synced")], "job")

    assert found == kept
    assert {each.snapshot.place.key: each.whole for each in store.snapshots()} == {"synced": True, "unsynced": False}


def test_a_delta_on_a_layer_that_is_gone_is_not_published(store: Store) -> None:
    base = save(store, FILE, at=place("base"))
    before = save(store, FILE)
    staged = store.stage("job")
    os.unlink(f"{store.folder}/meta/{base.layers[0]}.json")

    with pytest.raises(CacheFailure, match="cannot be saved"):
        os.makedirs(f"{staged}/{PREFIX}/node_modules/new")
        store.publish(place(), staged, lease="job", base=base, prefix=PREFIX, roots=["node_modules"], maker=MAKER)

    assert store.find([place()], "job") == before


def test_hits_and_last_use_are_counted(store: Store) -> None:
    save(store, FILE)
    saved = store.snapshots()[0]
    for _ in range(3):
        store.find([place()], "job")

    kept = store.snapshots()[0]
    assert (saved.hits, kept.hits) == (0, 3)
    assert kept.last_use >= saved.last_use
    stats = store.stats()
    assert (stats.hits, stats.misses, stats.caches, stats.layers, stats.files, stats.leases) == (3, 0, 1, 1, 1, 1)


def test_a_look_counts_and_pins_nothing(store: Store) -> None:
    saved = save(store, FILE)
    store.release("job")

    assert store.peek(place()) == saved
    assert store.stats().hits == 0
    assert store.records.leases() == []


def test_a_cache_that_was_removed_is_gone(store: Store) -> None:
    save(store, FILE)
    store.remove(place())
    store.remove(place())

    assert store.find([place()], "job") is None
    assert store.snapshots() == []


def test_many_paths_are_compared_at_once(store: Store) -> None:
    roots = [f"folder{number}/cache" for number in range(1000)]
    base = save(store, {}, roots=roots)

    began = time.process_time()
    assert can_be_base(base, PREFIX, roots)
    assert not can_be_base(base, PREFIX, [*roots, "folder7"])
    assert not can_be_base(base, PREFIX, [*roots, "folder7/cache/more"])
    assert time.process_time() - began < 0.5
