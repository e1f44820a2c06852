"""Caches of jobs: what it takes to restore one, and to save it again with 1 % changed.

The executor's store against `gitlab-runner`'s own cache-extractor and cache-archiver, and against tar with zstd. All
take turns in every round, so that a change in the machine's speed meets all. Ratios are of the medians and the rounds.

    python benchmarks/cache.py [--rounds 7] [--modules A_NODE_MODULES_FOLDER]

Needs root, loop devices, and gitlab-runner, tar and zstd on PATH; npm and its registry for a real `node_modules`.
Measured on a journaled ext4 of its own, with a warm page cache, after a `sync`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from disk import journaled_disk, settle
from modules import change, files_of, make_modules

from executor.cache.store import overlay, trees, uppers
from executor.cache.store.model import Maker, Place, Snapshot
from executor.cache.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX, ROOT = "group/project", "node_modules"
MAKER = Maker(job_id=1, job_name="build", project=PREFIX)
PLACE = Place(project_id=1, trust="p", key="default")
WORKER = "--worker"


class Way(Protocol):
    """A way to cache. `project` is a job's project folder on the disk; whatever else it needs it makes itself."""

    name: str

    def restore(self, project: Path) -> None:
        """Give the job its cache."""

    def save(self, project: Path) -> None:
        """Save what the job left; it still sees all of it afterwards."""

    def after(self, project: Path) -> None:
        """What a job does not wait for; ends with the job's folder gone."""


class Mounted:
    """The executor's store: restore is a look-up, a pin and a mount; save an unmount, a rename, and a mount again."""

    name = "executor"

    def __init__(self, disk: Path) -> None:
        self.store = Store(f"{disk}/store")
        self._found: Snapshot | None = None
        self._mounts = 0

    def restore(self, project: Path) -> None:
        """As the executor does in restore_cache."""
        self._found = self.store.find([PLACE], "job")
        if self._found:
            self._mount(project)

    def save(self, project: Path) -> None:
        """As the executor does in archive_cache."""
        builds = builds_of(project)
        if self._found:
            overlay.unmount(builds)
        staged = self.store.stage("job")
        with trees.folder_at(builds) as upper, trees.folder_at(staged) as target:
            uppers.take_roots(upper, PREFIX, [ROOT], target)
        self._found = self.store.publish(
            PLACE, staged, lease="job", base=self._found, prefix=PREFIX, roots=[ROOT], maker=MAKER
        )
        self._mount(project)

    def after(self, project: Path) -> None:
        """Unmount; then what `finish` does in the background, and a collection."""
        overlay.unmount(builds_of(project))
        self.store.release("job")
        self.store.finish([PLACE])
        self.store.collect_garbage(1 << 40, 1e9, lambda _: False)
        shutil.rmtree(project.parents[2])

    def _mount(self, project: Path) -> None:
        assert self._found
        self._mounts += 1
        builds = builds_of(project)
        work = f"{project.parents[2]}/wk{os.getpid()}-{self._mounts}"
        overlay.mount(builds, [self.store.layer_path(layer) for layer in self._found.layers], builds, work)


class MountedByProcesses(Mounted):
    """The same with a new process each time, interpreter and imports included: more than a stage of a job pays."""

    name = "executor, a process each"

    def restore(self, project: Path) -> None:
        """In a process of its own."""
        self._call("restore", project)

    def save(self, project: Path) -> None:
        """In a process of its own, which finds the job's cache first."""
        self._call("save", project)

    def _call(self, what: str, project: Path) -> None:
        disk = Path(self.store.folder).parent
        house = str(Path(__file__).parents[1])
        environment = {"PYTHONPATH": f"{house}:{house}/benchmarks"}
        command = [sys.executable, "-S", __file__, WORKER, what, str(disk), str(project)]
        subprocess.run(command, check=True, env=environment)


class RunnerArchive:
    """What gitlab-runner's own scripts call in a job's helper container, here without the container."""

    name = "gitlab-runner"

    def __init__(self, disk: Path) -> None:
        self._file = disk / "runner" / "cache.zip"
        self._file.parent.mkdir()

    def restore(self, project: Path) -> None:
        """Extract, unless it is the first time."""
        if self._file.exists():
            self._call(project, "cache-extractor")

    def save(self, project: Path) -> None:
        """Archive anew."""
        self._call(project, "cache-archiver", "--path", ROOT)

    def after(self, project: Path) -> None:
        """The next job's folder is another."""
        shutil.rmtree(project.parents[2])

    def _call(self, project: Path, command: str, *arguments: str) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": "/root", "FF_USE_FASTZIP": "true"}
        call = ["gitlab-runner", command, "--file", str(self._file), *arguments]
        done = subprocess.run(call, cwd=project, env=environment, capture_output=True, check=False)
        if done.returncode or not self._file.exists():
            sys.exit(f"{command} failed:\n{done.stdout.decode()}{done.stderr.decode()}")


class TarZstd:
    """GNU tar and zstd -1 on all cores."""

    name = "tar | zstd"

    def __init__(self, disk: Path) -> None:
        self._file = disk / "tar" / "cache.tar.zst"
        self._file.parent.mkdir()

    def restore(self, project: Path) -> None:
        """Extract, unless it is the first time."""
        if self._file.exists():
            run(f"zstd -dcq {self._file} | tar -xf -", project)

    def save(self, project: Path) -> None:
        """Archive anew, and replace the old one."""
        run(f"tar -cf - {ROOT} | zstd -1 -T0 -qf -o {self._file}.new && mv {self._file}.new {self._file}", project)

    def after(self, project: Path) -> None:
        """The next job's folder is another."""
        shutil.rmtree(project.parents[2])


def run(script: str, folder: Path) -> None:
    """Run a line of shell in a folder."""
    subprocess.run(["bash", "-ec", f"set -o pipefail; {script}"], cwd=folder, check=True)


def builds_of(project: Path) -> str:
    """The job's builds folder, which the overlay is mounted on."""
    return str(project.parents[1])


@dataclass
class Times:
    """Seconds of one way, a round each."""

    restore: list[float] = field(default_factory=list)
    save: list[float] = field(default_factory=list)

    def both(self) -> list[float]:
        """Restore and save together."""
        return [one + other for one, other in zip(self.restore, self.save, strict=True)]


class Bench:
    """A disk with a cache in each of the ways, and the jobs that use them in turn."""

    def __init__(self, disk: Path, modules: Path, ways: list[Way]) -> None:
        self._disk = disk
        self._modules = modules
        self._ways = ways
        self._jobs = 0
        files = files_of(modules)
        self._changed = files[:: max(1, len(files) // (len(files) // 100 or 1))]

    def first_saves(self) -> dict[str, float]:
        """Seconds of saving the whole tree where there is no cache yet."""
        times = {}
        for way in self._ways:
            project = self._new_project()
            way.restore(project)
            if not (project / ROOT).exists():
                subprocess.run(["cp", "-a", self._modules, project / ROOT], check=True)
            times[way.name] = timed(lambda way=way, project=project: way.save(project))  # type: ignore[misc]
            way.after(project)
        return times

    def round(self, times: dict[str, Times]) -> None:
        """One job of each way: restore, 1 % changed, save. What it saved is compared by the next round's restore."""
        for way in self._ways:
            project = self._new_project()
            times[way.name].restore.append(timed(lambda way=way, project=project: way.restore(project)))  # type: ignore[misc]
            expected = len(self._changed)
            if len([path for path in self._changed if (project / ROOT / path).exists()]) != expected:
                sys.exit(f"{way.name} restored something else than was saved")
            change(project / ROOT, self._changed, self._jobs)
            times[way.name].save.append(timed(lambda way=way, project=project: way.save(project)))  # type: ignore[misc]
            way.after(project)

    def _new_project(self) -> Path:
        self._jobs += 1
        project = self._disk / "jobs" / str(self._jobs) / "builds" / PREFIX
        (project / "src").mkdir(parents=True)
        return project


def timed(work: Callable[[], None]) -> float:
    """Seconds that `work` takes, on a disk that has nothing else to do."""
    settle()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def report(times: dict[str, Times], ours: str) -> None:
    """Medians, and how many times faster ours is: of the medians, and from round to round."""
    print(f"  {'':26}{'restore':>12}{'save, 1 %':>12}{'both':>12}   {ours} is faster")
    for name, each in times.items():
        numbers = "".join(
            f"{statistics.median(part) * 1000:9.1f} ms" for part in (each.restore, each.save, each.both())
        )
        ratios = sorted(other / own for own, other in zip(times[ours].both(), each.both(), strict=True))
        median = statistics.median(each.both()) / statistics.median(times[ours].both())
        faster = "" if name == ours else f"{median:8.1f}x  (rounds: {ratios[0]:.1f} to {ratios[-1]:.1f})"
        print(f"  {name:26}{numbers}{faster}")


def measure(disk: Path, given: Path | None, rounds: int) -> None:
    """Make the cache, let all ways take turns, print what came out."""
    settled = disk / "settled"
    settled.mkdir()
    origin = make_modules(settled, given)
    modules = settled / ROOT
    size = int(subprocess.run(["du", "-sm", modules], check=True, capture_output=True).stdout.split()[0])
    print(f"node_modules: {len(files_of(modules)):,} files, {size} MB on the disk, {origin}")
    ways: list[Way] = [Mounted(disk), MountedByProcesses(disk), RunnerArchive(disk), TarZstd(disk)]
    bench = Bench(disk, modules, ways)
    first = bench.first_saves()
    print("first save of the whole tree")
    for name, seconds in first.items():
        if name != MountedByProcesses.name:
            print(f"  {name:26}{seconds * 1000:9.1f} ms")
    times = {way.name: Times() for way in ways}
    for _ in range(rounds):
        bench.round(times)
    print(f"restore, and save with 1 % of the files changed: medians of {rounds} rounds")
    report(times, Mounted.name)


def work(what: str, disk: Path, project: Path) -> None:
    """One call of `MountedByProcesses`: what is restored is found again when it is saved."""
    way = Mounted(disk)
    if what == "save":
        way._found = way.store.pin(PLACE, "job")
        way.save(project)
    else:
        way.restore(project)


def main() -> None:
    """Measure on a disk made for it."""
    if sys.argv[1:2] == [WORKER]:
        work(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description="Restoring and saving a cache, compared.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--modules", type=Path, help="a node_modules folder to use a copy of")
    options = parser.parse_args()
    if missing := [name for name in ("gitlab-runner", "tar", "zstd", "mkfs.ext4") if not shutil.which(name)]:
        sys.exit(f"not on PATH: {', '.join(missing)}")
    with journaled_disk() as disk:
        measure(disk, options.modules, options.rounds)


if __name__ == "__main__":
    main()
