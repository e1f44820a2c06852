"""Killed at any point, the store serves whole caches only, and what was left goes with the next collection.

VIRIDA_STORE_KILLS (40) is the number of kills: 400 takes a minute.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest

from executor.cache.store.store import Store
from tests.unit.cache.store import versions

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from pathlib import Path

KILLS = int(os.environ.get("VIRIDA_STORE_KILLS", "40"))
PLACES = [versions.place("one"), versions.place("two")]
NO_QUOTA = 1 << 40


def saves(store: Store, lease: str, dice: random.Random) -> None:
    """A job that saves, and what it leaves for later."""
    place = dice.choice(PLACES)
    versions.save(store, place, lease, dice)
    if dice.random() < 0.3:
        store.finish([place])
    store.release(lease)


def restores(store: Store, lease: str, dice: random.Random) -> None:
    """A job that restores by copying."""
    snapshot = store.find(dice.sample(PLACES, 2), lease)
    if snapshot:
        versions.check(store, snapshot)
    store.release(lease)


def flattens(store: Store, lease: str, dice: random.Random) -> None:
    """Layers pile up and become one."""
    place = dice.choice(PLACES)
    versions.save(store, place, lease, dice)
    store.flatten(place)


def collects(store: Store, lease: str, dice: random.Random) -> None:
    """Caches come, and go over the quota."""
    versions.save(store, dice.choice(PLACES), lease, dice)
    store.release(lease)
    store.collect_garbage(dice.choice([300_000, NO_QUOTA]), 3600, lambda _: dice.random() < 0.5)


def work(folder: str, role: Callable[[Store, str, random.Random], None], seed: int, began: Connection) -> None:
    """Do the same over and over until killed."""
    store, dice = Store(folder), random.Random(seed)
    began.send(None)
    while True:
        role(store, f"job-{seed}", dice)


@pytest.mark.parametrize("role", [saves, restores, flattens, collects])
def test_a_kill_at_any_point_tears_and_leaks_nothing(
    tmp_path: Path, role: Callable[[Store, str, random.Random], None]
) -> None:
    store, dice = Store(f"{tmp_path}/store"), random.Random(role.__name__)
    for place in PLACES:
        versions.save(store, place, "first", dice)
    store.release("first")
    for number in range(KILLS // 4):
        kill_at_random(store.folder, role, number, dice)
        found = check_all(store)
        assert found == len(PLACES) or role is collects, "a cache is lost"
        if number % 10 == 9:
            store.collect_garbage(NO_QUOTA, 3600, lambda _: False)
            versions.check_no_leaks(store)
    store.collect_garbage(NO_QUOTA, 3600, lambda _: False)
    versions.check_no_leaks(store)


def kill_at_random(
    folder: str, role: Callable[[Store, str, random.Random], None], seed: int, dice: random.Random
) -> None:
    """Start a process that plays a role, and kill it within its first 60 ms."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(folder, role, seed, theirs))
    process.start()
    ours.recv()
    time.sleep(dice.random() * 0.06)
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL


def check_all(store: Store) -> int:
    """Every cache that is found is whole; gives how many are."""
    found = 0
    for place in PLACES:
        snapshot = store.find([place], "reader")
        if snapshot:
            versions.check(store, snapshot)
            found += 1
    store.release("reader")
    return found
