"""How long restoring a cache would take if gitlab-runner unpacked an archive of it: estimated, or measured with it."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from executor.cache.store import processes, trees
from executor.cache.store.failures import CacheFailure, told

if TYPE_CHECKING:
    from executor.cache.store.model import Snapshot
    from executor.cache.store.store import Store

# Measured with gitlab-runner's archiver (fastzip) on an idle host of 2 cores, journaled ext4, warm: 24,774 files of
# 348 MB (410 MB on the disk) took 2.0 s, 4 files of 327 MB 0.96 s. On a busy host both take two or three times as long.
SECONDS_A_FILE = 30e-6
SECONDS_A_BYTE = 2.9e-9
# Measured: what a mounted cache takes instead, of any size.
SECONDS_MOUNTED = 0.025
FILE = ".unpacking"
CANNOT = "It cannot be measured how long unpacking takes."
LONGEST = 1800
# A cache that takes less is unpacked before it could be timed.
SHORTEST = 0.1


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One measurement on this host: `seconds` that gitlab-runner took to unpack `files` of `bytes`, at `when`.

    Its own start, of every restore some more, is not in it.
    """

    when: float
    seconds: float
    bytes: int
    files: int

    @property
    def factor(self) -> float:
        """How many times as long as estimated it took."""
        return self.seconds / seconds_to_unpack(self.bytes, self.files)


def seconds_to_unpack(size: int, files: int, measured: Measured | None = None) -> float:
    """How long gitlab-runner takes to unpack `files` of `size` bytes, scaled by what was `measured` on this host."""
    return (size * SECONDS_A_BYTE + files * SECONDS_A_FILE) * (measured.factor if measured else 1)


def last_measured(store: Store) -> Measured | None:
    """The last measurement that is kept in a store."""
    try:
        with open(f"{store.folder}/{FILE}") as file:
            return Measured(**json.load(file))
    except (OSError, ValueError, TypeError):
        return None


def measure(store: Store, snapshot: Snapshot, gitlab_runner: str) -> Measured:
    """Let the program `gitlab_runner` pack and unpack a copy of a cache beside the store's layers; keep the result.

    Takes twice the cache's size of the disk meanwhile. `CacheFailure` where it cannot be done, or the cache is small.
    """
    if seconds_to_unpack(snapshot.bytes, snapshot.files) < SHORTEST:
        raise CacheFailure(CANNOT, cause="The largest cache is too small for that.")
    lease = processes.own_lease(os.urandom(4).hex())
    if store.pin(snapshot.place, lease) is None:
        raise CacheFailure(CANNOT, cause="The cache is gone.")
    try:
        staged = store.stage(lease)
        try:
            with told(CANNOT):
                measured = _measure(store, snapshot, staged, gitlab_runner)
                _keep(store, measured)
        finally:
            store.discard(staged)
        return measured
    finally:
        store.release(lease)


def _measure(store: Store, snapshot: Snapshot, staged: str, gitlab_runner: str) -> Measured:
    for name in ("packed", "unpacked"):
        os.mkdir(f"{staged}/{name}")
    with trees.folder_at(f"{staged}/packed") as target:
        size = store.materialise(snapshot, target, "")
    _run([gitlab_runner, "cache-archiver", f"--file={staged}/cache.zip", "--path=."], f"{staged}/packed")
    start = _run([gitlab_runner, "cache-extractor", "--help"], staged)
    seconds = _run([gitlab_runner, "cache-extractor", f"--file={staged}/cache.zip"], f"{staged}/unpacked") - start
    return Measured(when=time.time(), seconds=seconds, bytes=size.bytes, files=size.files)


def _run(words: list[str], folder: str) -> float:
    """Run a program to its end; the seconds that it took."""
    from subprocess import DEVNULL, TimeoutExpired, run

    began = time.monotonic()
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": folder, "FF_USE_FASTZIP": "true"}
    try:
        ended = run(words, cwd=folder, env=environment, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, timeout=LONGEST)
    except TimeoutExpired:
        raise CacheFailure(CANNOT, cause=f"`{words[0]} {words[1]}` took over {LONGEST} s.") from None
    if ended.returncode:
        raise CacheFailure(CANNOT, cause=f"`{words[0]} {words[1]}` ended with {ended.returncode}.")
    return time.monotonic() - began


def _keep(store: Store, measured: Measured) -> None:
    path = f"{store.folder}/{FILE}"
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(temporary, "w") as file:
            json.dump(asdict(measured), file)
        os.replace(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
