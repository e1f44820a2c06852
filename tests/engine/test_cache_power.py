"""The power fails: what a disk with a journal has at any moment is mounted as after a restart, and its caches checked.

The disk is a file. Its copy, made while a process saves, syncs, flattens and collects, has nothing of what the kernel
had not written yet. VIRIDA_STORE_POWER_FAILURES (3) is how often, for each kind of journal.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from executor.cache.store.store import Store
from tests.unit.cache.store import versions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAILURES = int(os.environ.get("VIRIDA_STORE_POWER_FAILURES", "3"))
CALM, BUSY = versions.place("calm"), [versions.place("one"), versions.place("two")]
QUOTA = 2_000_000

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def work(folder: str, seed: int) -> None:
    """Save and collect, over and over. Finish seldom: what is not synced is what may be torn."""
    store, dice = Store(folder), random.Random(seed)
    while True:
        place = dice.choice(BUSY)
        versions.save(store, place, "job", dice)
        store.find([CALM], "job")
        if dice.random() < 0.02:
            store.finish([place])
        store.release("job")
        if dice.random() < 0.2:
            store.collect_garbage(QUOTA, 3600, lambda _: False)
        time.sleep(dice.random() * 0.05)


@pytest.mark.parametrize("journal", ["ordered", "writeback"])
def test_after_a_power_failure_no_cache_is_torn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journal: str) -> None:
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    subprocess.run(["truncate", "-s", "64M", disk], check=True)
    subprocess.run(["mkfs.ext4", "-qF", disk], check=True)
    with mounted(disk, tmp_path / "before", f"data={journal},commit=1") as folder:
        store = Store(f"{folder}/store")
        calm = versions.save(store, CALM, "job", random.Random(0))
        store.finish([CALM])
        context = multiprocessing.get_context("fork")
        process = context.Process(target=work, args=(store.folder, 1))
        process.start()
        try:
            for number in range(FAILURES):
                time.sleep(random.Random(number).uniform(0.5, 4))
                copy_at_once(disk, copy, process.pid or 0)
                check_after_restart(copy, tmp_path / f"after{number}", monkeypatch, calm.generation)
                assert process.is_alive()
        finally:
            process.kill()
            process.join()


def check_after_restart(disk: Path, point: Path, monkeypatch: pytest.MonkeyPatch, generation: int) -> None:
    """Every cache that is found is whole; one that was synced long ago is found; the rest goes with a collection."""
    with monkeypatch.context() as patch, mounted(disk, point, "data=ordered") as folder:
        patch.setattr("executor.cache.store.store.boot_id", lambda: "after the restart")
        patch.setattr("executor.cache.store.processes.boot_id", lambda: "after the restart")
        patch.setattr("executor.cache.store.processes.is_living", lambda _: False)
        store = Store(f"{folder}/store")
        for place in (CALM, *BUSY):
            if found := store.peek(place):
                versions.check(store, found)
        calm = store.peek(CALM)
        assert calm
        assert calm.generation == generation
        assert CALM not in store.verify()
        versions.save(store, BUSY[0], "job", random.Random(2))
        store.release("job")
        store.collect_garbage(1 << 40, 3600, lambda _: False)
        versions.check_no_leaks(store)


def copy_at_once(disk: Path, copy: Path, pid: int) -> None:
    """Copy a disk as it is at one moment: while its user is stopped, and again if the kernel wrote to it meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(20):
            shutil.copyfile(disk, copy)
            if subprocess.run(["cmp", "-s", disk, copy], check=False).returncode == 0:
                return
    finally:
        os.kill(pid, signal.SIGCONT)
    pytest.fail("the kernel never stopped to write")


@contextmanager
def mounted(disk: Path, point: Path, options: str) -> Iterator[str]:
    """A disk in a file, mounted."""
    point.mkdir()
    subprocess.run(["mount", "-o", f"loop,{options}", disk, point], check=True)
    try:
        yield str(point)
    finally:
        subprocess.run(["umount", point], check=True)
