"""Jobs that mount, change and save the same caches at once, while garbage is collected: each sees a whole version.

VIRIDA_STORE_SECONDS (4) is how long they work.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from executor.cache.store import overlay
from executor.cache.store.failures import Busy
from tests.engine.overlays import Host
from tests.unit.cache.store import versions

if TYPE_CHECKING:
    from multiprocessing import Queue
    from pathlib import Path

SECONDS = float(os.environ.get("VIRIDA_STORE_SECONDS", "4"))
JOBS = 6
PLACES = [versions.place(key) for key in ("one", "two", "three")]
QUOTA = 3_000_000

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def work(folder: str, number: int, until: float, done: Queue[tuple[str, int]]) -> None:
    """Jobs, one after the other: restore, look at every file, change some, save."""
    host, dice, count = Host(folder), random.Random(number), 0
    while time.time() < until:
        name, place = f"job-{os.getpid()}-{count}", dice.choice(PLACES)
        found = host.store.find([place], name)
        job = host.new_job(name)
        cache = f"{job}/{versions.PREFIX}/{versions.ROOT}"
        if found:
            with host.mounted(job, found.layers, work=name):
                versions.check_tree(cache)
                versions.change_tree(cache, dice)
                versions.check_tree(cache)
        else:
            versions.change_tree(cache, dice)
        host.save(job, [versions.ROOT], found, place=place, lease=name)
        if dice.random() < 0.3:
            host.store.finish([place])
        host.store.release(name)
        shutil.rmtree(job)
        count += 1
    done.put(("jobs", count))


def collect(folder: str, _: int, until: float, done: Queue[tuple[str, int]]) -> None:
    """Collect garbage until the time is over."""
    store, count = Host(folder).store, 0
    while time.time() < until:
        try:
            count += store.collect_garbage(QUOTA, 3600, is_living).layers
        except Busy:
            done.put(("busy", 1))
        time.sleep(0.02)
    done.put(("layers", count))


def is_living(lease: str) -> bool:
    """Whether the process that plays the job is there."""
    return os.path.exists(f"/proc/{lease.split('-')[1]}")


def test_jobs_that_mount_and_save_at_once(tmp_path: Path) -> None:
    host = Host(str(tmp_path))
    if reason := overlay.probe(host.store.folder, host.builds):
        pytest.skip(reason)
    context = multiprocessing.get_context("fork")
    done: Queue[tuple[str, int]] = context.Queue()
    until = time.time() + SECONDS
    roles = [work] * JOBS + [collect]
    processes = [context.Process(target=role, args=(str(tmp_path), n, until, done)) for n, role in enumerate(roles)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(SECONDS + 60)

    assert [process.exitcode for process in processes] == [0] * len(roles)
    counts = {"jobs": 0, "layers": 0, "busy": 0}
    while not done.empty():
        what, count = done.get()
        counts[what] += count
    print(counts)
    assert counts["jobs"] >= JOBS
    assert counts["layers"] > 0, "nothing was collected"
    host.store.collect_garbage(QUOTA, 3600, lambda _: False)
    versions.check_no_leaks(host.store)
    assert not [line.target for line in overlay.mount_lines() if line.target.startswith(str(tmp_path))]
