"""Caches mounted by the kernel: what jobs see is what is saved, copied and flattened, whatever they do."""

from __future__ import annotations

import os
import random
import stat
from typing import TYPE_CHECKING

import pytest

from executor.cache.store import overlay
from tests.engine.overlays import PLACE, Host, do_anything, seen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from executor.cache.store.model import Snapshot

HISTORIES = int(os.environ.get("VIRIDA_STORE_HISTORIES", "12"))

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A store and builds on a file system that can be below an overlay."""
    host = Host(str(tmp_path))
    if reason := overlay.probe(host.store.folder, host.builds):
        pytest.skip(reason)
    return host


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_whatever_jobs_do_the_next_one_sees_it(host: Host, seed: int) -> None:
    dice = random.Random(seed)
    roots = dice.choice([["node_modules"], ["node_modules", "deep/er/cache"], [".cache/pip", ".cache/go"]])
    job = host.new_job("first")
    for root in roots:
        do_anything(f"{job}/group/project/{root}", dice, 60)
    snapshot = host.save(job, roots, None)
    for number in range(6):
        job = host.new_job(f"job{number}")
        with host.mounted(job, snapshot.layers) as project:
            for root in roots:
                do_anything(f"{project}/{root}", dice, dice.choice([0, 5, 40]))
            worked = {root: seen(f"{project}/{root}") for root in roots}
        snapshot = host.save(job, roots, snapshot)
        check_seen(host, worked, snapshot.layers, f"look{number}")
        copy = host.copied(snapshot, f"copy{number}")
        assert {root: seen(f"{copy}/{root}") for root in roots} == worked
        check_sizes(host, snapshot, f"size{number}", roots)
        if dice.random() < 0.3:
            host.store.finish([PLACE])
            found = host.store.peek(PLACE)
            assert found
            check_seen(host, worked, found.layers, f"flat{number}")
            snapshot = found
    assert host.store.verify() == []


def check_seen(host: Host, worked: Mapping[str, object], layers: tuple[str, ...], name: str) -> None:
    """The next job sees what the last one left."""
    with host.mounted(host.new_job(name), layers) as project:
        assert {root: seen(f"{project}/{root}") for root in worked} == worked


def check_sizes(host: Host, snapshot: Snapshot, name: str, roots: list[str]) -> None:
    """The store's counts are those of what is seen: files exactly, bytes as the disk tells them, folders included."""
    with host.mounted(host.new_job(name), snapshot.layers) as project:
        sizes = [measured(f"{project}/{root}") for root in roots]
    assert snapshot.files == sum(files for files, _ in sizes)
    assert snapshot.bytes == pytest.approx(sum(size for _, size in sizes), rel=0.5, abs=100_000)


def measured(folder: str) -> tuple[int, int]:
    """Files and bytes below a folder, counted in a simple way."""
    files, size, inodes = 0, 0, set()
    for parent, names, others in os.walk(folder):
        size += os.lstat(parent).st_blocks * 512
        for name in (*names, *others):
            facts = os.lstat(f"{parent}/{name}")
            if not stat.S_ISDIR(facts.st_mode):
                files += 1
                size += 0 if facts.st_ino in inodes else facts.st_blocks * 512
                inodes.add(facts.st_ino)
    return files, size
