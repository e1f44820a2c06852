"""Writers, readers and a collector at once: no error, and every read is a whole version.

VIRIDA_STORE_SECONDS (4) is how long they work.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from typing import TYPE_CHECKING

from executor.cache.store.failures import Busy
from executor.cache.store.store import Store
from tests.unit.cache.store import versions

if TYPE_CHECKING:
    from multiprocessing import Queue
    from pathlib import Path

SECONDS = float(os.environ.get("VIRIDA_STORE_SECONDS", "4"))
WRITERS, READERS = 8, 4
PLACES = [versions.place(key) for key in ("one", "two", "three")]
QUOTA = 3_000_000


def write(folder: str, number: int, until: float, done: Queue[tuple[str, int]]) -> None:
    """Save until the time is over, as many jobs one after the other."""
    store, dice, count = Store(folder), random.Random(number), 0
    while time.time() < until:
        lease, place = lease_of(count), dice.choice(PLACES)
        versions.save(store, place, lease, dice)
        if dice.random() < 0.2:
            store.finish([place])
        store.release(lease)
        count += 1
    done.put(("saves", count))


def read(folder: str, number: int, until: float, done: Queue[tuple[str, int]]) -> None:
    """Restore and verify until the time is over."""
    store, dice, count = Store(folder), random.Random(-number), 0
    while time.time() < until:
        lease = lease_of(count)
        snapshot = store.find(dice.sample(PLACES, 3), lease)
        if snapshot:
            versions.check(store, snapshot)
            count += 1
        store.release(lease)
    done.put(("reads", count))


def collect(folder: str, _: int, until: float, done: Queue[tuple[str, int]]) -> None:
    """Collect garbage until the time is over."""
    store, count = Store(folder), 0
    while time.time() < until:
        try:
            store.collect_garbage(QUOTA, 3600, is_living)
            count += 1
        except Busy:
            done.put(("busy", 1))
        time.sleep(0.02)
    done.put(("collections", count))


def lease_of(count: int) -> str:
    """A job's lease that says which process plays it."""
    return f"job-{os.getpid()}-{count}"


def is_living(lease: str) -> bool:
    """Whether the process that plays the job is there."""
    return os.path.exists(f"/proc/{lease.split('-')[1]}")


def test_all_at_once(tmp_path: Path) -> None:
    folder = f"{tmp_path}/store"
    context = multiprocessing.get_context("fork")
    done: Queue[tuple[str, int]] = context.Queue()
    until = time.time() + SECONDS
    roles = [write] * WRITERS + [read] * READERS + [collect]
    processes = [context.Process(target=role, args=(folder, n, until, done)) for n, role in enumerate(roles)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(SECONDS + 60)

    assert [process.exitcode for process in processes] == [0] * len(roles)
    counts = {"saves": 0, "reads": 0, "collections": 0, "busy": 0}
    while not done.empty():
        what, count = done.get()
        counts[what] += count
    print(counts)
    assert counts["saves"] >= WRITERS
    assert counts["reads"] >= READERS
    assert counts["collections"] >= SECONDS, "the collector is starved"
    store = Store(folder)
    store.collect_garbage(QUOTA, 3600, lambda _: False)
    versions.check_no_leaks(store)
    assert store.verify() == []
