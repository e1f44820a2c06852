"""What the driver adds to a job: a plain job, all its phases, against one `docker run --rm IMAGE true`.

Both are run in turn, so that a change in the machine's speed meets both. Ratios are of the medians and of the pairs.

    python benchmarks/overhead.py [--image debian:12] [--rounds 15]

Needs a Docker Engine, the image and the helper image (`scripts/demo` makes them).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

EXECUTOR = str(Path(sys.executable).with_name("executor"))
STAGES = ("prepare_script", "get_sources", "build_script", "cleanup_file_variables")
SCRIPT = "#!/usr/bin/env bash\n\nset -eo pipefail\n: | eval $'echo \"Running on $(hostname)...\"\\n'\nexit 0\n"


class PlainJob:
    """A job without sources, caches, artifacts and services: 7 calls, as gitlab-runner makes them."""

    def __init__(self, image: str, state: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="custom-executor"))
        self.script = self.folder / "script"
        self.script.write_text(SCRIPT)
        self.config = state / "config.toml"
        self._write_job(image)
        self.times: dict[str, float] = {}

    def run(self) -> float:
        """Seconds from the first call to the end of the last."""
        began = time.perf_counter()
        self.call("config")
        self.call("prepare")
        for stage in STAGES:
            self.call("run", str(self.script), stage)
        self.call("cleanup")
        return time.perf_counter() - began

    def call(self, phase: str, *arguments: str) -> None:
        """One call of the driver; its time is kept."""
        began = time.perf_counter()
        command = [EXECUTOR, "--config", str(self.config), phase, *arguments]
        done = subprocess.run(command, env=self._environment(), cwd=self.folder, capture_output=True, check=False)
        if done.returncode:
            sys.exit(f"{phase} failed:\n{done.stdout.decode()}{done.stderr.decode()}")
        self.times[" ".join([phase, *arguments[1:]])] = time.perf_counter() - began

    def wait_until_gone(self) -> None:
        """Until the removal in the background is over: it is not part of the job, nor of the next one."""
        link = self.folder / "virida-executor"
        while os.path.isdir(os.readlink(link)):
            time.sleep(0.02)
        shutil.rmtree(self.folder)

    def _write_job(self, image: str) -> None:
        job = {
            "id": 1,
            "job_info": {"name": "plain", "stage": "test", "project_id": 1, "project_full_path": "virida/bench"},
            "git_info": {"repo_url": "http://localhost/virida/bench.git", "ref": "main", "sha": "0" * 40},
            "runner_info": {"timeout": 600},
            "variables": [{"key": "GIT_STRATEGY", "value": "none", "public": True}],
            "steps": [{"name": "script", "script": ["true"]}],
            "image": {"name": image},
        }
        (self.folder / "response.json").write_text(json.dumps(job))

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "TMPDIR": str(self.folder),
            "JOB_RESPONSE_FILE": str(self.folder / "response.json"),
            "BUILD_EXIT_CODE_FILE": str(self.folder / "build_exit_code"),
            "CUSTOM_ENV_GIT_STRATEGY": "none",
            "CUSTOM_ENV_CI_CONCURRENT_PROJECT_ID": "0",
        }


def seconds_of(command: list[str]) -> float:
    """How long `command` takes as a whole process."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def compare(title: str, ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> None:
    """Run both in turn and print the medians with their ratio."""
    ours(), theirs()
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    first, second = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratios = sorted(one / other for one, other in pairs)
    print(
        f"{title}\n  {first * 1000:7.1f} ms against {second * 1000:7.1f} ms: {first / second:.2f}x"
        f"  (pairs: {ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


def bare_python() -> str:
    """The interpreter that the driver's start script uses."""
    return str(Path(sys.executable).with_name("python3"))


def main() -> None:
    """Print the two ratios and where a plain job's time goes."""
    parser = argparse.ArgumentParser(description="The driver's overhead, as ratios.")
    parser.add_argument("--image", default="debian:12")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    state = Path(tempfile.mkdtemp(prefix="virida-overhead"))
    (state / "config.toml").write_text(
        '[[runners]]\nname = "overhead"\ntoken = "glrt-overhead0"\nexecutor = "custom"\n'
        f'[runners.docker]\nimage = "{options.image}"\npull_policy = "if-not-present"\n'
    )
    (state / "executor.toml").write_text(f'[storage]\nstate_dir = "{state}"\n')
    jobs: list[PlainJob] = []

    def plain_job() -> float:
        job = PlainJob(options.image, state)
        jobs.append(job)
        seconds = job.run()
        job.wait_until_gone()
        return seconds

    docker_run = ["docker", "run", "--rm", options.image, "true"]
    compare(
        "a plain job against `docker run --rm IMAGE true`",
        plain_job,
        lambda: seconds_of(docker_run),
        options.rounds,
    )
    for phase in jobs[0].times:
        print(f"  {statistics.median(job.times[phase] for job in jobs) * 1000:7.1f} ms  {phase}")

    job = PlainJob(options.image, state)
    job.call("config")
    job.call("prepare")
    job.call("run", str(job.script), "build_script")
    nothing = job.folder / "nothing"
    nothing.write_text(":\n")

    def run_nothing() -> float:
        job.call("run", str(nothing), "build_script")
        return job.times["run build_script"]

    compare(
        "`executor run` of an empty stage against `python3 -I -S -c pass`",
        run_nothing,
        lambda: seconds_of([bare_python(), "-I", "-S", "-c", "pass"]),
        options.rounds * 2,
    )
    job.call("cleanup")
    job.wait_until_gone()
    shutil.rmtree(state)


if __name__ == "__main__":
    main()
