"""What goes, what stays, and that neither jobs nor the collector wait for ever."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from executor.cache.store import locks, overlay
from executor.cache.store.failures import Busy
from executor.cache.store.store import Store
from tests.unit.cache.store.staging import place, save, shown
from tests.unit.cache.store.versions import check_no_leaks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.synchronize import Event

NO_QUOTA, NO_AGE = 1 << 40, 1e9
TEN = {"node_modules/a": "x" * 10_000}


def nobody(_: str) -> bool:
    """No job lives."""
    return False


def everybody(_: str) -> bool:
    """All jobs live."""
    return True


def keys(store: Store) -> set[str]:
    """The keys of all caches."""
    return {kept.snapshot.place.key for kept in store.snapshots()}


def use(store: Store, key: str, at: float) -> None:
    """Note a hit at a time in the past, of a cache saved then."""
    snapshot = store.peek(place(key))
    assert snapshot
    store.records.note_hit(place(key))
    path = store.records.pointer_path(place(key)).removesuffix(".json") + ".hits"
    os.utime(path, (at, at))


def save_old(store: Store, key: str, age: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Save a cache `age` seconds ago."""
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now - age)
        save(store, TEN, at=place(key))


def test_what_no_cache_needs_goes(store: Store) -> None:
    save(store, TEN)
    save(store, TEN)
    saved = save(store, TEN)

    collected = store.collect_garbage(NO_QUOTA, NO_AGE, nobody)

    assert (collected.layers, collected.caches, collected.leases) == (2, 0, 1)
    assert collected.bytes > 20_000
    assert shown(store, saved) == TEN
    check_no_leaks(store)


def test_layers_of_a_living_job_stay(store: Store) -> None:
    old = save(store, TEN, lease="first")
    store.find([place()], "job")
    save(store, TEN, lease="second")

    store.collect_garbage(NO_QUOTA, NO_AGE, lambda lease: lease == "job")

    assert shown(store, old) == TEN
    assert store.records.leases() == ["job"]
    store.release("job")
    assert store.collect_garbage(NO_QUOTA, NO_AGE, everybody).layers == 1


def test_a_lower_layer_stays_with_what_is_on_it(store: Store) -> None:
    base = save(store, TEN)
    top = save(store, {"node_modules/b": "2"}, base=base)
    store.release("job")

    store.collect_garbage(NO_QUOTA, NO_AGE, nobody)

    assert shown(store, top) == TEN | {"node_modules/b": "2"}


def test_a_mounted_layer_stays_whoever_mounted_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = save(store, TEN)
    store.remove(place())
    line = f"36 35 98:0 / /builds rw shared:1 - overlay overlay rw,lowerdir={store.folder}/l/{mounted.layers[0]},x=y\n"
    monkeypatch.setattr(overlay, "mount_lines", lambda: [overlay.MountLine(line)])

    assert store.collect_garbage(NO_QUOTA, NO_AGE, nobody).layers == 0

    monkeypatch.undo()
    assert store.collect_garbage(NO_QUOTA, NO_AGE, nobody).layers == 1


@pytest.mark.parametrize(
    ("options", "layers"),
    [
        ("rw,lowerdir=/s/l/aaa:/s/l/bbb,upperdir=/u,workdir=/w", {"aaa", "bbb"}),
        ("rw,lowerdir+=/s/l/aaa,lowerdir+=/s/l/bbb,upperdir=/u", {"aaa", "bbb"}),
        (r"rw,lowerdir=/s\134:x/l/aaa:/proc/self/fd/7/bbb,volatile", {"aaa", "bbb"}),
        (r"rw,lowerdir=/with\040space\134\054comma/l/aaa,upperdir=/u", {"aaa"}),
        ("rw,upperdir=/s/l/aaa", set()),
    ],
)
def test_layers_are_read_from_the_mount_table(options: str, layers: set[str]) -> None:
    line = overlay.MountLine(f"36 35 98:0 / /mnt rw,noatime - overlay overlay {options}\n")

    assert line.layers() == layers


def test_the_quota_takes_what_was_used_longest_ago(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for age, key in ((400, "a"), (300, "b"), (200, "c"), (100, "d")):
        save_old(store, key, age, monkeypatch)
    use(store, "a", time.time())
    store.release("job")
    each = store.stats().bytes // 4

    collected = store.collect_garbage(2 * each, NO_AGE, nobody)

    assert keys(store) == {"a", "d"}
    assert (collected.caches, collected.kept_bytes) == (2, 2 * each)
    check_no_leaks(store)


def test_a_cache_bigger_than_the_quota_does_not_take_the_others(store: Store) -> None:
    save(store, TEN, at=place("small"))
    save(store, {"node_modules/a": "x" * 500_000}, at=place("big"))
    store.release("job")

    store.collect_garbage(200_000, NO_AGE, nobody)

    assert keys(store) == {"small"}


def test_layers_that_caches_share_are_counted_once(store: Store) -> None:
    base = save(store, {"node_modules/a": "x" * 100_000}, at=place("main"))
    save(store, {"node_modules/b": "1"}, at=place("branch"), base=base)
    store.release("job")

    store.collect_garbage(180_000, NO_AGE, nobody)

    assert keys(store) == {"main", "branch"}


def test_what_was_not_used_for_long_goes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    save_old(store, "old", 1000, monkeypatch)
    save_old(store, "used", 1000, monkeypatch)
    use(store, "used", time.time() - 100)
    store.release("job")

    store.collect_garbage(NO_QUOTA, 500, nobody)

    assert keys(store) == {"used"}


def test_what_dead_jobs_staged_goes_and_what_living_ones_did_stays(store: Store) -> None:
    dead, living = store.stage("dead-job"), store.stage("living-job")
    os.makedirs(f"{dead}/deep/er")

    collected = store.collect_garbage(NO_QUOTA, NO_AGE, lambda lease: lease == "living-job")

    assert (os.path.exists(dead), os.path.exists(living), collected.stages) == (False, True, 1)


def test_what_another_living_process_makes_stays(store: Store) -> None:
    with other_process(store.folder, stage_something) as pid:
        [staged] = os.listdir(store.records.stages)
        assert str(pid) in staged
        store.collect_garbage(NO_QUOTA, NO_AGE, nobody)
        assert os.listdir(store.records.stages) == [staged]
    store.collect_garbage(NO_QUOTA, NO_AGE, nobody)
    assert os.listdir(store.records.stages) == []


def test_projects_without_caches_leave_no_folders(store: Store) -> None:
    save(store, TEN)
    store.remove(place())

    store.collect_garbage(NO_QUOTA, NO_AGE, nobody)

    assert os.listdir(f"{store.folder}/keys") == []


def test_one_collection_at_a_time(store: Store) -> None:
    with store.locks.one_collector(), pytest.raises(Busy):
        store.collect_garbage(NO_QUOTA, NO_AGE, nobody)


def test_a_collection_that_cannot_have_the_store_removes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "COLLECTOR_WAITS", 0.2)
    save(store, TEN)
    save(store, TEN)
    with other_process(store.folder, hold_shared) as pid:
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(Busy):
            store.collect_garbage(NO_QUOTA, NO_AGE, nobody)
        assert len(os.listdir(f"{store.folder}/l")) == 2
        assert store.find([place()], "job"), "jobs go on"
    assert store.collect_garbage(NO_QUOTA, NO_AGE, nobody).layers == 1


def test_a_collector_that_hangs_costs_a_job_its_cache_only(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "JOB_WAITS", 0.2)
    save(store, TEN)
    with other_process(store.folder, hold_alone), pytest.raises(Busy):
        store.find([place()], "job")
    assert store.find([place()], "job")


def test_the_collector_is_not_starved(store: Store) -> None:
    """Jobs that hold the store all the time, each a moment, never leave it free."""
    with (
        other_process(store.folder, hold_shared_often),
        other_process(store.folder, hold_shared_often),
        other_process(store.folder, hold_shared_often),
    ):
        for _ in range(20):
            began = time.monotonic()
            store.collect_garbage(NO_QUOTA, NO_AGE, nobody)
            assert time.monotonic() - began < 1


def stage_something(store: Store, ready: Event) -> None:
    """A process that makes a layer for nobody's job."""
    from executor.cache.store.processes import own_lease

    store.stage(own_lease())
    ready.set()
    time.sleep(60)


def hold_shared(store: Store, ready: Event) -> None:
    """A process that is in the middle of finding a cache."""
    with store.locks.shared():
        ready.set()
        time.sleep(60)


def hold_alone(store: Store, ready: Event) -> None:
    """A process that is in the middle of a collection."""
    with store.locks.alone():
        ready.set()
        time.sleep(60)


def hold_shared_often(store: Store, ready: Event) -> None:
    """A process that finds one cache after the other."""
    ready.set()
    while True:
        with store.locks.shared():
            time.sleep(0.01)


@contextmanager
def other_process(folder: str, work: object) -> Iterator[int]:
    """A process that does `work` with the store, from the moment that it is ready until the block ends."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=lambda: work(Store(folder), ready))  # type: ignore[operator]
    process.start()
    assert ready.wait(20)
    try:
        yield process.pid or 0
    finally:
        process.kill()
        process.join()
