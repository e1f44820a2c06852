"""What measuring costs: the sampler's share of a CPU and its memory, and the time that it adds to each call.

One job is left alone to see the sampler of two idle containers, then plain jobs run in turn with
`[usage] enabled` true and false, so that a change in the machine's speed meets both.

    python benchmarks/sampler.py [--image debian:12] [--rounds 10] [--seconds 30]

Needs a Docker Engine, the image and the helper image (`scripts/demo` makes them).
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from overhead import PlainJob

TICKS = os.sysconf("SC_CLK_TCK")
PHASES = ("prepare", "run prepare_script", "run build_script", "run cleanup_file_variables", "cleanup")


def settings(folder: Path, image: str, *, enabled: bool) -> Path:
    """A folder with config.toml and executor.toml."""
    folder.mkdir()
    (folder / "config.toml").write_text(
        '[[runners]]\nname = "sampler"\ntoken = "glrt-sampler00"\nexecutor = "custom"\n'
        f'[runners.docker]\nimage = "{image}"\npull_policy = "if-not-present"\n'
    )
    (folder / "executor.toml").write_text(
        f'[storage]\nstate_dir = "{folder}"\n[usage]\nenabled = {str(enabled).lower()}\n'
    )
    return folder


def sampler_of(job: PlainJob) -> int:
    """The process that measures the job: the one that holds the job's FIFO open."""
    events = f"{os.readlink(job.folder / 'virida-executor')}/usage/events"
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(link) == events for link in (process / "fd").iterdir()):
                return int(process.name)
        except OSError:
            continue
    raise SystemExit("no process measures the job")


def cpu_seconds(pid: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int, name: str) -> float:
    """MiB of a line of the process's own memory: Rss, Pss, Private_Dirty."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) / 1024


def share_of_cpu(pid: int, seconds: float) -> float:
    """Percent of one core over some seconds."""
    before = cpu_seconds(pid)
    time.sleep(seconds)
    return 100 * (cpu_seconds(pid) - before) / seconds


def watch_idle_job(state: Path, image: str, seconds: float) -> None:
    """One job that does nothing: its first ten seconds, then the rest of its life."""
    job = PlainJob(image, state)
    job.call("config")
    job.call("prepare")
    pid = sampler_of(job)
    print(f"  {share_of_cpu(pid, 10):7.2f} %   of a core in the first 10 s (ten looks a second, start included)")
    print(f"  {share_of_cpu(pid, seconds):7.2f} %   of a core after that, over {seconds:.0f} s")
    print(f"  {memory(pid, 'Pss'):7.1f} MiB memory, shared pages by their part; {memory(pid, 'Rss'):.1f} MiB resident")
    job.call("run", str(job.script), "cleanup_file_variables")
    print(f"  {memory(pid, 'Pss'):7.1f} MiB after it has made the section of the job log")
    job.call("cleanup")
    began = time.perf_counter()
    job.wait_until_gone()
    print(f"  {(time.perf_counter() - began) * 1000:7.1f} ms  from the end of cleanup until everything is removed")


def compare_phases(measured: Path, bare: Path, image: str, rounds: int) -> None:
    """Medians of each call with and without measuring."""
    times: dict[Path, list[dict[str, float]]] = {measured: [], bare: []}
    for _ in range(rounds):
        for state, found in times.items():
            job = PlainJob(image, state)
            job.run()
            began = time.perf_counter()
            job.wait_until_gone()
            found.append(job.times | {"removal after cleanup": time.perf_counter() - began})
    for phase in (*PHASES, "removal after cleanup"):
        with_it, without = (statistics.median(one[phase] for one in times[state]) * 1000 for state in (measured, bare))
        print(f"  {with_it:7.1f} ms against {without:7.1f} ms: {with_it - without:+6.1f} ms  {phase}")


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description="What measuring costs a job.")
    parser.add_argument("--image", default="debian:12")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="virida-sampler"))
    measured, bare = (settings(folder / name, options.image, enabled=name == "on") for name in ("on", "off"))
    print("the sampler of an idle job (two containers)")
    watch_idle_job(measured, options.image, options.seconds)
    print("each call, measured against not measured (medians)")
    compare_phases(measured, bare, options.image, options.rounds)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
