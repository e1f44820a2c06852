"""What a cache costs a whole job: one with a real `node_modules` of about 28,000 files, restored, changed by 1 % and
saved, against the same job without `cache:`. All calls of the driver as gitlab-runner makes them, run in turn.

    python benchmarks/cache_jobs.py [--image debian:12] [--rounds 7] [--modules FOLDER]

Needs root, a Docker Engine, the image, the helper image (`scripts/demo` makes them) and ext4 in a loop device.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

from disk import journaled_disk, settle
from modules import make_modules
from overhead import PlainJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Part = Callable[["Job"], float]

PROJECT = "/builds/virida/bench"
FILL = f"cd {PROJECT}; cp -a /modules/node_modules ."
CHANGE = (
    f"cd {PROJECT}; find node_modules -type f | awk 'NR % 100 == 1' | while read -r file; do echo >> \"$file\"; done"
)


class Job(PlainJob):
    """A job with one script; `cached` says whether it has the cache."""

    def __init__(self, image: str, state: Path, script: str, *, cached: bool) -> None:
        super().__init__(image, state)
        self.cached = cached
        self.seconds = 0.0
        self._add_cache()
        self.scripts = {
            "prepare_script": self._file("begin", f"mkdir -p {PROJECT}"),
            "get_sources": str(self.script),
            **({"restore_cache": str(self.script)} if cached else {}),
            "build_script": self._file("build", script),
            **({"archive_cache": str(self.script)} if cached else {}),
            "cleanup_file_variables": str(self.script),
        }

    def run(self) -> float:
        """Seconds from the first call to the end of the last."""
        began = time.perf_counter()
        self.call("config")
        self.call("prepare")
        for stage, script in self.scripts.items():
            self.call("run", script, stage)
        self.call("cleanup")
        return time.perf_counter() - began

    def _file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(f"set -eu\n{text}\n")
        return str(path)

    def _add_cache(self) -> None:
        response = self.folder / "response.json"
        caches = [{"key": "deps", "paths": ["node_modules/"], "policy": "pull-push", "when": "on_success"}]
        response.write_text(json.dumps(json.loads(response.read_text()) | {"cache": caches if self.cached else []}))

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {"CUSTOM_ENV_CI_PROJECT_DIR": PROJECT}


def timed(job: Job) -> Job:
    """Run one job to its end, with the disk at rest."""
    settle()
    job.seconds = job.run()
    job.wait_until_gone()
    return job


def configure(folder: Path, image: str) -> None:
    """A runner whose caches and builds lie on one disk, with the modules in reach."""
    (folder / "config.toml").write_text(
        '[[runners]]\nname = "caches"\ntoken = "glrt-benchcache"\nexecutor = "custom"\n'
        f'[runners.docker]\nimage = "{image}"\npull_policy = "if-not-present"\nvolumes = ["{folder}:/modules:ro"]\n'
    )
    (folder / "executor.toml").write_text(f'[storage]\nstate_dir = "{folder}/state"\n')


def measure(make: Callable[[str, bool], Job], rounds: int) -> None:
    """Fill the cache by a first job, then let jobs with and without it take turns."""
    print(f"first job, which makes the tree and saves it: {timed(make(FILL, True)).seconds:.2f} s")
    pairs = [(timed(make(CHANGE, True)), timed(make(":", False))) for _ in range(rounds)]
    cached, plain = zip(*pairs, strict=True)
    print(f"with the cache {middle(cached, whole):.0f} ms, without {middle(plain, whole):.0f} ms")
    tell_more("more in all, the change of 1 % by the script included", pairs, whole)
    tell_more("more but for the script, which is the job's own", pairs, but_script)
    for stage in ("restore_cache", "archive_cache"):
        print(f"  {statistics.median(job.times[f'run {stage}'] for job in cached) * 1000:7.1f} ms  {stage}")


def whole(job: Job) -> float:
    """From the first call to the end of the last."""
    return job.seconds


def but_script(job: Job) -> float:
    """Without the job's own script."""
    return job.seconds - job.times["run build_script"]


def middle(jobs: Iterable[Job], part: Part) -> float:
    """The median of a part of the jobs' times, in milliseconds."""
    return statistics.median(part(job) for job in jobs) * 1000


def tell_more(what: str, pairs: list[tuple[Job, Job]], part: Part) -> None:
    """Print what the first of each pair takes more than the second."""
    more = sorted((part(cached) - part(plain)) * 1000 for cached, plain in pairs)
    print(f"{statistics.median(more):.0f} ms {what} (pairs: {more[0]:.0f} to {more[-1]:.0f})")


def main() -> None:
    """Measure on a disk made for it."""
    parser = argparse.ArgumentParser(description="What a cache costs a job.")
    parser.add_argument("--image", default="debian:12")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--modules", type=Path, help="a node_modules folder to use a copy of")
    options = parser.parse_args()
    with journaled_disk() as disk:
        print(f"node_modules: {make_modules(disk, options.modules)}")
        configure(disk, options.image)
        measure(lambda script, cached: Job(options.image, disk, script, cached=cached), options.rounds)


if __name__ == "__main__":
    main()
