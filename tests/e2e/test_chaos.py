"""Jobs among random sudden deaths: of driver calls, containers and the runner. CHAOS_JOBS jobs, dice by CHAOS_SEED."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import pytest
from docker.errors import APIError

from executor.cache.store.overlay import mount_lines
from tests.e2e.jobs import Job, JobRecord, unique_number
from tests.e2e.repositories import make_repository
from tests.e2e.runner import driver_processes, left_of, when_settled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import StartRunner
    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner

_JOBS = int(os.environ.get("CHAOS_JOBS", "20"))
_SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
_JOB_LABEL = "com.gitlab.gitlab-runner.job.id"
_CONCURRENCY = 4

# After this many jobs have begun, the runner is killed once.
_JOBS_A_RUNNER = 10

# What dies next. An unfinished job waits out the runner's own 3 s before each new attempt of prepare.
_VICTIMS = ("driver", "driver", "killed container", "removed container", "")

# The sweep leaves to others what they may be at work on for this long.
_A_WHILE_AGO = 120.0


def test_nothing_is_left_after_random_deaths_and_no_later_job_is_harmed(
    start_runner: StartRunner, repositories: Path
) -> None:
    projects = [_project(repositories) for _ in range(3)]
    runner = start_runner(concurrency=_CONCURRENCY)
    chaos = Chaos(runner, random.Random(_SEED))
    chaos.run([runner.submit(_job(number, *projects[number % 3])) for number in range(_JOBS)])
    print(chaos.report())
    runner.records.clear()
    _pass_time(runner.settings.state_dir)
    later = [runner.submit(_job(number, *projects[number % 3])) for number in range(2 * _CONCURRENCY)]
    assert [record.trace for record in later if record.wait().state != "success"] == [], chaos.report()
    assert chaos.harmed_without_a_hit() == [], chaos.report()
    assert when_settled(runner.settings, lambda: _left(runner, [*chaos.records, *later])) == [], chaos.report()


@dataclass
class Chaos:
    """Deaths by the dice until every job has ended or is lost with its runner. `hits` are numbers of jobs."""

    runner: GitLabRunner
    dice: random.Random
    records: list[JobRecord] = field(default_factory=list)
    deaths: dict[str, int] = field(default_factory=dict)
    hits: set[int] = field(default_factory=set)
    lost: list[JobRecord] = field(default_factory=list)

    def run(self, records: list[JobRecord]) -> None:
        """Let things die while the jobs run."""
        self.records = records
        deadline = time.monotonic() + 60 + 5 * len(records)
        while waiting := self._unfinished():
            assert time.monotonic() < deadline, f"{self.report()}\n{waiting[0].trace}"
            time.sleep(self.dice.uniform(0.2, 1.2))
            self._strike()

    def harmed_without_a_hit(self) -> list[str]:
        """Logs of jobs that failed though nothing of theirs was killed."""
        spared = [record for record in self.records if record.job.id not in self.hits and record not in self.lost]
        return [record.trace for record in spared if record.state != "success"]

    def report(self) -> str:
        """What died, and what became of the jobs."""
        states = [record.state or "lost" for record in self.records]
        counts = ", ".join(f"{states.count(state)} {state}" for state in ("success", "failed", "lost"))
        return f"seed {_SEED}: deaths {self.deaths}; {len(self.hits)} jobs were hit; {counts}"

    def _unfinished(self) -> list[JobRecord]:
        return [record for record in self.records if not record.ended.is_set() and record not in self.lost]

    def _strike(self) -> None:
        begun = sum(record.picked.is_set() for record in self.records)
        if begun // _JOBS_A_RUNNER > self.deaths.get("runner", 0):
            self._kill_runner()
            return
        victim = self.dice.choice(_VICTIMS)
        if victim == "driver":
            self._kill_driver()
        elif victim:
            self._end_container(victim)

    def _kill_runner(self) -> None:
        self.runner.kill()
        self.lost += [record for record in self._unfinished() if record.picked.is_set()]
        self._count("runner")
        self.runner.start()

    def _kill_driver(self) -> None:
        processes = driver_processes(self.runner.settings)
        if not processes:
            return
        process = self.dice.choice(processes)
        with contextlib.suppress(OSError):
            job = _job_of(process)
            os.kill(process, signal.SIGKILL)
            self._count("driver", job)

    def _end_container(self, victim: str) -> None:
        with _docker() as client, contextlib.suppress(APIError):
            containers = _containers(client, self.records)
            if containers:
                container = self.dice.choice(containers)
                job = int(container["Labels"][_JOB_LABEL])
                if victim == "killed container":
                    client.api.kill(container["Id"])
                else:
                    client.api.remove_container(container["Id"], force=True)
                self._count(victim, job)

    def _count(self, victim: str, job: int | None = None) -> None:
        self.deaths[victim] = self.deaths.get(victim, 0) + 1
        if job is not None:
            self.hits.add(job)


def _project(repositories: Path) -> tuple[str, str]:
    """A project's path and the commit that its jobs check out."""
    project = f"virida/chaos{unique_number()}"
    return project, make_repository(repositories, project, {"README.md": "demo\n"})


def _job(number: int, project: str, sha: str) -> Job:
    """Jobs take over the sources of each other, dead or alive, and none may meet another there. Some have a service."""
    service = {"name": "debian:12", "alias": "beside", "command": ["sleep", "300"]}
    return Job(
        script=[
            "test ! -e owner; echo $CI_JOB_ID > owner",
            "sleep 1 & wait",
            'test "$(cat owner)" = $CI_JOB_ID; test "$(cat README.md)" = demo',
            "mkdir -p kept; echo $CI_JOB_ID > kept/job",
        ],
        after_script=["sleep 0.3"],
        services=[service] if number % 3 == 0 else [],
        project=project,
        sha=sha,
        git_strategy="fetch",
        cache=[{"key": "kept", "paths": ["kept/"]}] if number % 2 else [],
    )


def _job_of(process: int) -> int:
    environment = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    return next(int(entry.partition(b"=")[2]) for entry in environment if entry.startswith(b"CUSTOM_ENV_CI_JOB_ID="))


def _containers(client: docker.DockerClient, records: list[JobRecord]) -> list[dict[str, Any]]:
    ours = {str(record.job.id) for record in records}
    found = client.api.containers(all=True, filters={"label": _JOB_LABEL})
    return [container for container in found if container["Labels"][_JOB_LABEL] in ours]


@contextlib.contextmanager
def _docker() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    try:
        yield client
    finally:
        client.close()


def _pass_time(state_dir: Path) -> None:
    """Make everything look as old as it must be for the sweep."""
    (state_dir / "swept").unlink(missing_ok=True)
    for path in [*(state_dir / "jobs").glob("*"), *(state_dir / "jobs").glob("*/ended")]:
        with contextlib.suppress(FileNotFoundError):
            os.utime(path, (time.time() - _A_WHILE_AGO,) * 2)


def _left(runner: GitLabRunner, records: list[JobRecord]) -> list[str]:
    """Things in the Engine, folders of jobs and of their sources, mounted caches with their leases, and processes."""
    state_dir = runner.settings.state_dir
    folders = [
        *(state_dir / "jobs").glob("*"),
        *(state_dir / "builds").glob("*/*/job-*"),
        *(state_dir / "builds").glob("*/*/*/owner"),
        *(state_dir / "builds").glob("*/*/*/overlay-*"),
        *(state_dir / "caches").glob("*/leases/*"),
    ]
    mounts = [line.target for line in mount_lines() if line.kind == "overlay" and str(state_dir) in line.target]
    processes = [f"process {process}" for process in driver_processes(runner.settings)]
    things = [thing for record in records for thing in left_of(record.job.id)]
    return [*things, *map(str, folders), *mounts, *processes]
