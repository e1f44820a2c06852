"""An Engine that crashes or hangs, containers and images that go while a job uses them: whose fault, and how soon."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.engine_proxy import EngineProxy
from tests.e2e.jobs import Job, JobRecord, unique_number
from tests.e2e.repositories import make_repository
from tests.e2e.runner import driver_processes, wait_until_empty

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import StartRunner
    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner

# In which nothing may hang past its cause, and what the runner's own reports add to that.
_SECONDS = 15 + 3

_TICKING = "for i in $(seq 200); do echo tick $i; sleep 0.3; done"
_SYSTEM = ("failed", "runner_system_failure", None)


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[EngineProxy]:
    """The way to the Engine that a test may break; what was left behind it is removed by hand."""
    proxy = EngineProxy(tmp_path / "docker.sock")
    yield proxy
    proxy.speak_again()


def _remove_by_hand(runner: GitLabRunner, proxy: EngineProxy) -> None:
    """What a driver does not remove that has no Engine: the Engine comes back, and with it the next job's sweep."""
    proxy.speak_again()
    assert wait_until_empty(lambda: list(map(str, driver_processes(runner.settings))), 40) == []
    ids = [str(record.job.id) for record in runner.records]
    for job in ids:
        for kind, remove in (("ps -aq", "rm -f -v"), ("network ls -q", "network rm")):
            label = f"label=com.gitlab.gitlab-runner.job.id={job}"
            found = subprocess.check_output(["docker", *kind.split(), "--filter", label], text=True).split()
            if found:
                subprocess.check_call(["docker", *remove.split(), *found], stdout=subprocess.DEVNULL)
    shutil.rmtree(runner.settings.state_dir / "jobs")


def _seconds_to_end(record: JobRecord) -> float:
    began = time.monotonic()
    record.wait(130)
    return time.monotonic() - began


def test_an_engine_that_crashes_under_a_script_does_not_end_it(start_runner: StartRunner, proxy: EngineProxy) -> None:
    runner = start_runner(docker_options=proxy.option)
    record = runner.submit(Job(script=["echo started", "sleep 2", "echo finished"], after_script=["echo after"]))
    record.wait_for_output("\nstarted\n")
    proxy.cut()
    assert record.wait().outcome == ("success", None, None), record.trace
    assert "\nafter\n" in record.section("after_script")
    _remove_by_hand(runner, proxy)


def test_a_cancel_without_an_engine_ends_the_job(start_runner: StartRunner, proxy: EngineProxy) -> None:
    runner = start_runner(docker_options=proxy.option)
    record = runner.submit(Job(script=[_TICKING]))
    record.wait_for_output("\ntick 3\n")
    proxy.cut()
    record.status = "canceling"
    assert _seconds_to_end(record) < _SECONDS
    assert record.outcome[:2] == ("failed", "job_canceled")
    _remove_by_hand(runner, proxy)


def test_a_cancel_while_the_engine_hangs_ends_the_job(start_runner: StartRunner, proxy: EngineProxy) -> None:
    runner = start_runner(docker_options=proxy.option)
    record = runner.submit(Job(script=[_TICKING]))
    record.wait_for_output("\ntick 3\n")
    proxy.fall_silent()
    record.status = "canceling"
    assert _seconds_to_end(record) < _SECONDS
    assert record.outcome[:2] == ("failed", "job_canceled")
    assert "Traceback" not in record.trace
    _remove_by_hand(runner, proxy)


def test_an_engine_that_hangs_in_prepare_fails_each_attempt_soon(start_runner: StartRunner, proxy: EngineProxy) -> None:
    runner = start_runner(docker_options=proxy.option)
    proxy.fall_silent()
    record = runner.submit(Job(script=["echo never"]))
    assert _seconds_to_end(record) < 3 * _SECONDS
    assert record.outcome == _SYSTEM
    assert "The Docker Engine stopped answering" in record.trace
    _remove_by_hand(runner, proxy)


@pytest.mark.parametrize("size", [9, 300], ids=["in the status", "in the body"])
def test_an_engine_that_hangs_in_the_middle_of_an_answer_fails_each_attempt_soon(
    start_runner: StartRunner, proxy: EngineProxy, size: int
) -> None:
    runner = start_runner(docker_options=proxy.option)
    proxy.fall_silent_in_an_answer(size)
    record = runner.submit(Job(script=["echo never"]))
    assert _seconds_to_end(record) < 3 * _SECONDS
    assert record.outcome == _SYSTEM
    assert "The Docker Engine stopped answering" in record.trace
    _remove_by_hand(runner, proxy)


def test_a_job_whose_engine_hangs_at_its_end_ends_all_the_same(start_runner: StartRunner, proxy: EngineProxy) -> None:
    runner = start_runner(docker_options=proxy.option)
    record = runner.submit(Job(script=["echo started", "sleep 1"]))
    record.wait_for_output("\nstarted\n")
    proxy.fall_silent()
    assert _seconds_to_end(record) < _SECONDS
    assert record.outcome == ("success", None, None)
    time.sleep(1)
    assert wait_until_empty(lambda: list(map(str, driver_processes(runner.settings))), _SECONDS) == []
    _remove_by_hand(runner, proxy)


def test_a_job_whose_engine_went_away_is_removed_when_it_is_back(start_runner: StartRunner, proxy: EngineProxy) -> None:
    runner = start_runner(docker_options=proxy.option)
    record = runner.submit(Job(script=["echo started", "sleep 1"]))
    record.wait_for_output("\nstarted\n")
    proxy.fall_silent()
    assert record.wait().outcome == ("success", None, None)
    assert wait_until_empty(lambda: list(map(str, driver_processes(runner.settings))), _SECONDS) == []
    proxy.speak_again()
    _age_ends(runner)
    assert runner.run(Job(script=["echo the next job"])).outcome == ("success", None, None)
    runner.assert_nothing_left()


# What goes while a script runs, and what GitLab is told. The container's name ends with the role.
_DEATHS = {
    "the build container is killed": ("kill", "build", ("failed", "script_failure", 137)),
    "the build container is removed": ("rm -f", "build", _SYSTEM),
    "the helper is killed, and started again": ("kill", "predefined", ("success", None, None)),
    "the helper is removed": ("rm -f", "predefined", _SYSTEM),
}


@pytest.mark.parametrize(("end", "role", "outcome"), _DEATHS.values(), ids=_DEATHS.keys())
def test_containers_that_go_under_a_script(
    runner: GitLabRunner, end: str, role: str, outcome: tuple[str, str | None, int | None]
) -> None:
    artifacts = [{"paths": ["out"], "when": "always"}]
    script = ["echo started > out; cat out", "sleep 6" if role == "predefined" else "sleep 60"]
    record = runner.submit(Job(script=script, artifacts=artifacts))
    record.wait_for_output("\nstarted\n")
    subprocess.check_call(["docker", *end.split(), _container(record.job.id, role)], stdout=subprocess.DEVNULL)
    assert _seconds_to_end(record) < _SECONDS
    assert record.outcome == outcome, record.trace
    assert "Traceback" not in record.trace


def test_a_helper_that_is_killed_under_its_stage(start_runner: StartRunner, repositories: Path) -> None:
    runner = start_runner(options='pre_get_sources_script = "echo started; sleep 60"')
    project = f"virida/demo{unique_number()}"
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    record = runner.submit(Job(script=["echo never"], project=project, sha=sha, git_strategy="fetch"))
    record.wait_for_output("\nstarted\n")
    subprocess.check_call(["docker", "kill", _container(record.job.id, "predefined")], stdout=subprocess.DEVNULL)
    assert _seconds_to_end(record) < _SECONDS
    assert record.outcome == _SYSTEM, record.trace
    assert "\nnever\n" not in record.trace


def test_an_image_that_goes_between_look_up_and_create(start_runner: StartRunner, proxy: EngineProxy) -> None:
    runner = start_runner(docker_options=proxy.option)
    image = f"virida-executor/test-passing:{unique_number()}"
    _make_image(image)
    proxy.run_before("/containers/create", ["docker", "rmi", "-f", image])
    record = runner.submit(Job(script=["echo never"], image=image))
    assert _seconds_to_end(record) < 2 * _SECONDS
    assert record.outcome[0] == "failed"
    assert image in record.trace
    assert "\nnever\n" not in record.trace


def test_a_full_disk_in_the_container_is_the_scripts_own_failure(start_runner: StartRunner) -> None:
    runner = start_runner(docker_options='    tmpfs = { "/small" = "rw,size=1m" }')
    record = runner.run(Job(script=["head -c 5000000 /dev/zero > /small/big"], after_script=["echo after"]))
    assert record.outcome == ("failed", "script_failure", 1)
    assert "No space left on device" in record.trace
    assert "\nafter\n" in record.section("after_script")


def _container(job_id: int, role: str) -> str:
    label = f"label=com.gitlab.gitlab-runner.job.id={job_id}"
    kind = f"label=com.gitlab.gitlab-runner.type={role}"
    return subprocess.check_output(["docker", "ps", "-q", "--filter", label, "--filter", kind], text=True).strip()


def _make_image(name: str) -> None:
    """An image of its own id: removing it takes its content along."""
    container = subprocess.check_output(["docker", "create", "debian:12", "true"], text=True).strip()
    subprocess.check_call(["docker", "commit", "-m", name, container, name], stdout=subprocess.DEVNULL)
    subprocess.check_call(["docker", "rm", container], stdout=subprocess.DEVNULL)


def _age_ends(runner: GitLabRunner) -> None:
    """The sweep leaves an ended job to the process that removes it for a minute."""
    for mark in (runner.settings.state_dir / "jobs").glob("*/ended"):
        os.utime(mark, (time.time() - 120,) * 2)
