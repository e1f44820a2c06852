"""Limits that a job asks for, or gets after a kill, on the containers that the Engine really made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.jobs import Job, variable
from tests.engine.conftest import BASH
from tests.engine.test_usage import ended, limited

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import StartJob
    from tests.engine.jobs import Driver

MIB = 1024**2
NANOS = 10**9
SERVICE = {"name": BASH, "alias": "db", "entrypoint": ["sh", "-c"], "command": ["sleep 60"]}
# What the shell's `tail` holds at most: over 64 MiB, below 128.
TOO_MUCH = "head -c 90m /dev/zero | tail >/dev/null"


def asking(driver: StartJob, asked: dict[str, str], *, limits: str = "", **options: Any) -> Driver:
    """A driver for a job with a service, these variables, and these lines in `[limits]`."""
    variables = [variable(key, value) for key, value in asked.items()]
    docker = options.pop("docker_options", limited()) + "\nwait_for_services_timeout = -1"
    made = driver(Job(script=[], services=[SERVICE], variables=variables), docker_options=docker, **options)
    return with_limits(made, limits)


def with_limits(made: Driver, limits: str) -> Driver:
    with (made.folder / "executor.toml").open("a") as file:
        file.write(f"[limits]\n{limits}\n")
    return made


def found(made: Driver, kind: str) -> tuple[int, int]:
    """The memory and the CPU time that the Engine gives a container of the job."""
    config = made.inspect(kind)["HostConfig"]
    return config["Memory"], config["NanoCpus"]


def test_what_a_job_asks_for_is_what_its_containers_get(driver: StartJob) -> None:
    asked = {
        "JOB_MEMORY": "300Mi",
        "JOB_CPUS": "0.75",
        "JOB_SERVICE_MEMORY": "200m",
        "JOB_SERVICE_CPUS": "0.5",
    }
    made = asking(driver, asked)
    assert "WARNING" not in made.prepared()

    assert found(made, "build") == (300 * MIB, 750_000_000)
    assert found(made, "service") == (200 * MIB, 500_000_000)
    assert found(made, "predefined") == (0, 0)
    inside = made.run("cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max")
    assert inside.output.strip() == str(300 * MIB)


def test_what_is_above_the_operators_bound_becomes_the_bound_and_is_said(driver: StartJob) -> None:
    asked = {"JOB_MEMORY": "9g", "JOB_CPUS": "1.5", "JOB_SERVICE_MEMORY": "8g", "JOB_SERVICE_CPUS": "2"}
    own = limited(memory="128m", cpus="0.25", service_memory="64m")
    made = asking(driver, asked, limits='max_memory = "256m"\nmax_cpus = "0.5"', docker_options=own)
    output = made.prepared()

    assert found(made, "build") == (256 * MIB, NANOS // 2)
    assert found(made, "service") == (256 * MIB, NANOS // 2)
    for words in (
        "JOB_MEMORY asks for 9.0 GiB; this runner gives 256 MiB at most",
        "JOB_CPUS asks for 1.5 CPUs; this runner gives 0.5 CPUs at most",
        "JOB_SERVICE_MEMORY asks for 8.0 GiB; this runner gives 256 MiB at most",
        "JOB_SERVICE_CPUS asks for 2 CPUs; this runner gives 0.5 CPUs at most",
    ):
        assert output.count(f"WARNING: {words}, so that is what it is.\n") == 1, output


def test_without_a_bound_of_its_own_the_operators_limit_is_the_most(driver: StartJob) -> None:
    own = limited(memory="128m", service_memory="64m")
    made = asking(driver, {"JOB_MEMORY": "1g", "JOB_SERVICE_MEMORY": "32m"}, docker_options=own)
    assert "JOB_MEMORY asks for 1.0 GiB; this runner gives 128 MiB at most" in made.prepared()

    assert found(made, "build")[0] == 128 * MIB
    assert found(made, "service")[0] == 32 * MIB


def test_a_smaller_limit_takes_swap_and_reservation_along(driver: StartJob) -> None:
    """The Engine refuses a reservation above the limit, and less swap than memory."""
    own = limited(memory="512m", memory_swap="768m", memory_reservation="256m")
    made = asking(driver, {"JOB_MEMORY": "100m"}, docker_options=own)
    made.prepared()

    config = made.inspect("build")["HostConfig"]
    limits = [config[name] // MIB for name in ("Memory", "MemorySwap", "MemoryReservation")]
    assert limits == [100, 356, 100]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"JOB_MEMORY": "lots"}, "JOB_MEMORY of job 'unit' is no limit that a container can have: 'lots'."),
        ({"JOB_MEMORY": "4"}, "That is too little for a container. Is the unit missing?"),
        ({"JOB_CPUS": "two"}, 'Write for example "1.5".'),
        ({"JOB_SERVICE_MEMORY": "-1g"}, "JOB_SERVICE_MEMORY of job 'unit'"),
        ({"JOB_SERVICE_CPUS": "0"}, "JOB_SERVICE_CPUS of job 'unit'"),
        ({"JOB_MEMORY": "\x1b[2Jg\r"}, "JOB_MEMORY of job 'unit'"),
    ],
    ids=["a word", "no unit", "a number in words", "below nothing", "nothing", "what moves a cursor"],
)
def test_what_is_no_limit_is_the_jobs_fault(driver: StartJob, asked: dict[str, str], words: str) -> None:
    called = asking(driver, asked).prepare()

    assert called.code == 1
    assert words in called.output
    assert called.output.count("is no limit that a container can have") == 1
    assert "Traceback" not in called.output


@pytest.fixture
def killed(driver: StartJob, tmp_path: Path) -> Driver:
    """A job that the kernel has killed for its 64 MiB: ended, and in the history of the folder `state`."""
    made = again(driver, tmp_path, "auto = false")
    made.prepared()
    called = made.run(TOO_MUCH)
    assert called.code == 1
    assert "OUT OF MEMORY" in called.output, called.output
    used, _ = ended(made, status="failed", state=tmp_path / "state")
    assert used.result == "script_failure"
    return made


def again(driver: StartJob, tmp_path: Path, limits: str, *, project: str = "virida/heavy") -> Driver:
    """A job of the same name and project as others here, each with a number of its own, as GitLab retries it."""
    state = tmp_path / "state"
    made = driver(Job(script=[], project=project), docker_options=limited(memory="64m"), state=state)
    return with_limits(made, limits)


def test_after_a_kill_the_retry_gets_more_and_passes(driver: StartJob, tmp_path: Path, killed: Driver) -> None:
    retry = again(driver, tmp_path, 'auto = true\nmax_memory = "1g"')
    output = retry.prepared()

    line = "The job gets 128 MiB of memory instead of 64 MiB: an earlier run was killed for it."
    assert output.count(f"WARNING: {line}\n") == 1, output
    assert found(retry, "build")[0] == 128 * MIB
    assert retry.run(TOO_MUCH).code == 0


def test_a_retry_gets_no_more_than_the_bound_which_is_said(driver: StartJob, tmp_path: Path, killed: Driver) -> None:
    retry = again(driver, tmp_path, 'auto = true\nmax_memory = "80m"')
    output = retry.prepared()

    assert found(retry, "build")[0] == 80 * MIB
    assert "gets 80 MiB of memory instead of 64 MiB: an earlier run was killed for it. 80 MiB is the most" in output
    assert retry.run(TOO_MUCH).code == 1


@pytest.mark.parametrize(
    ("limits", "project"),
    [("auto = false", "virida/heavy"), ('max_memory = "1g"', "virida/heavy"), ("auto = true", "virida/other")],
    ids=["not wanted", "not said", "a project of its own"],
)
def test_a_kill_changes_nothing_for_others(
    driver: StartJob, tmp_path: Path, killed: Driver, limits: str, project: str
) -> None:
    made = again(driver, tmp_path, limits, project=project)
    assert "WARNING" not in made.prepared()

    assert found(made, "build")[0] == 64 * MIB
