"""What sudden ends leave on a host, and that `executor gc` removes it and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.jobs import Job
from tests.e2e.runner import left_of
from tests.engine.test_looking_in import executor, kill_calls, on_terminal, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import StartJob
    from tests.engine.jobs import Driver

REDIS = {"name": "virida-executor/test-redis", "alias": "db"}


def attempt(driver: Driver) -> Path:
    """Give the job a folder of the runner's that can go without the settings."""
    folder = driver.folder / "attempt"
    folder.mkdir()
    driver.environment["TMPDIR"] = str(folder)
    return folder


def new_job(driver: StartJob, **options: Any) -> Driver:
    """A job with a service, so that there is something of each kind to leave behind."""
    job = driver(Job(script=[]), changes={"services": [REDIS]}, **options)
    attempt(job)
    return job


def lose_runner(job: Driver) -> None:
    """The runner is gone, and with it the attempt's folder."""
    shutil.rmtree(job.environment["TMPDIR"])
    job.environment["TMPDIR"] = str(job.folder)


def found(job: Driver, *options: str) -> list[dict[str, Any]]:
    """What `executor gc` would remove."""
    shown = executor(job, "gc", "--json", *options)
    assert shown.returncode == 0, shown.stderr
    return list(json.loads(shown.stdout)["found"])


def assert_removed(job: Driver) -> None:
    """`executor gc --yes` leaves nothing: no container, network, volume, state, or throw-away sources."""
    removed = executor(job, "gc", "--yes")
    assert removed.returncode == 0, removed.stderr
    assert left_of(job.job.id) == []
    state = job.folder / "state"
    assert not list((state / "jobs").iterdir())
    assert not list((state / "builds").rglob("job-*"))
    assert found(job) == []


@pytest.mark.parametrize("seconds", [0.0, 0.03, 0.08, 0.2, 0.5, 1.0], ids=lambda seconds: f"{seconds:.2f} s")
@pytest.mark.parametrize("phase", ["config", "prepare"])
def test_a_driver_killed_while_it_makes_things(driver: StartJob, phase: str, seconds: float) -> None:
    job = new_job(driver)
    if phase == "prepare":
        assert job.call("config").code == 0
    call = job.begin(phase)
    time.sleep(seconds)
    call.kill()
    call.wait()
    lose_runner(job)
    for folder in (job.folder / "state" / "jobs").glob("*"):
        if not (folder / "state.json").exists():
            os.utime(folder, (0, 0))

    if (job.folder / "state" / "jobs").exists():
        assert_removed(job)
    assert left_of(job.job.id) == []


def test_a_driver_killed_in_a_stage(driver: StartJob) -> None:
    job = new_job(driver)
    job.prepared()
    call = job.begin("run", job.script("touch /begun", "sleep 300"), "build_script")
    build = job.inspect("build")["Id"]
    until(lambda: not subprocess.run(["docker", "exec", build, "test", "-e", "/begun"], check=False).returncode)
    call.kill()
    call.wait()
    assert found(job) == []

    lose_runner(job)

    (one,) = found(job)
    assert one["kind"] == "job"
    assert sum("build" in name for name in one["things"]) == 1
    assert_removed(job)


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.1, 0.3])
def test_a_cleanup_killed_half_way(driver: StartJob, seconds: float) -> None:
    """With its process in the background, which is in a session of its own."""
    job = new_job(driver)
    job.prepared()
    call = job.begin("cleanup")
    time.sleep(seconds)
    call.kill()
    call.wait()
    kill_calls(job, "cleanup")
    lose_runner(job)
    for folder in (job.folder / "state" / "jobs").glob("*/ended"):
        os.utime(folder, (0, 0))

    assert_removed(job)


def test_a_host_that_was_started_again(driver: StartJob) -> None:
    job = new_job(driver)
    job.prepared()
    (state,) = (job.folder / "state" / "jobs").glob("*/state.json")
    facts = json.loads(state.read_text())
    assert found(job) == []

    state.write_text(json.dumps(facts | {"claim": facts["claim"] | {"boot": "before"}}))

    assert_removed(job)


def test_a_state_that_was_lost(driver: StartJob) -> None:
    job = new_job(driver)
    job.prepared()
    (folder,) = (job.folder / "state" / "jobs").iterdir()
    shutil.rmtree(folder)

    (one, *_) = found(job)

    assert (one["kind"], one["path"], one["why"]) == ("lost job", str(folder), "its state is lost")
    for sources in (job.folder / "state" / "builds").rglob("job-*"):
        os.utime(sources, (0, 0))
    assert_removed(job)


def test_jobs_of_other_runners_live_on(driver: StartJob) -> None:
    """One in a state folder of its own, one in the same; and a volume that no job of ours made."""
    dead, stranger = new_job(driver), new_job(driver)
    neighbour = new_job(driver, state=dead.folder / "state")
    for job in (dead, neighbour, stranger):
        job.prepared()
    volume = f"runner-{dead.job.id}hash-cache-other"
    subprocess.run(["docker", "volume", "create", volume], check=True, capture_output=True)
    lose_runner(dead)

    removed = executor(dead, "gc", "--yes", "--older-than", "0")
    volumes = subprocess.run(["docker", "volume", "rm", volume], capture_output=True, check=False)

    assert removed.returncode == 0, removed.stderr
    assert volumes.returncode == 0
    assert left_of(dead.job.id) == []
    for job in (neighbour, stranger):
        assert job.run("echo lives").output == "lives\n"


def test_nothing_is_removed_unasked(driver: StartJob) -> None:
    job = new_job(driver)
    job.prepared()
    lose_runner(job)

    plain, dry = executor(job, "gc"), executor(job, "gc", "--dry-run")
    no_code, no = _answered(job, "n")
    kept = left_of(job.job.id)
    yes_code, yes = _answered(job, "y")

    assert [plain.returncode, dry.returncode, no_code, yes_code] == [0, 0, 0, 0]
    assert "nothing removed" in plain.stdout
    assert "nothing removed" in no
    assert len(kept) >= 4
    assert "1 of 1 removed" in yes
    assert left_of(job.job.id) == []


def _answered(job: Driver, answer: str) -> tuple[int, str]:
    """`executor gc` on a terminal, with the question answered."""
    return on_terminal(job, ["gc"], f"{answer}\n", prompt="[y/N]")


def test_sources_and_caches_that_nobody_uses(driver: StartJob) -> None:
    job = new_job(driver)
    job.job.git_strategy = "fetch"
    job.prepared()
    assert job.run("echo x > /cache/x", "echo y > /builds/y").code == 0
    job.call("cleanup")
    until(lambda: left_of(job.job.id) == [] and not list((job.folder / "state" / "jobs").iterdir()))
    assert found(job, "--older-than", "1d") == []

    state = job.folder / "state"
    for folder in (*state.glob("builds/*/*/*"), *state.glob("cache/*/*")):
        os.utime(folder, (0, 0))
    removed = executor(job, "gc", "--yes", "--older-than", "1d")

    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert not list(state.glob("cache/*/*"))
    assert not list(state.glob("builds/*/*/*/work"))


def test_an_engine_that_is_gone(driver: StartJob) -> None:
    job = driver(Job(script=[]))
    (job.folder / "config.toml").write_text(
        '[[runners]]\nexecutor = "custom"\n[runners.docker]\nhost = "unix:///no/engine"\n'
    )

    called = executor(job, "gc", "--yes")

    assert called.returncode == 1
    assert "There is no Docker Engine at unix:///no/engine" in called.stderr
    (job.folder / "config.toml").write_text("")
