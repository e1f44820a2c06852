"""What is measured of real jobs, against loads whose cost is known otherwise."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from executor.sandbox.measuring import read_data
from executor.usage.history.file import history_file
from executor.usage.history.queries import last_run, whole_run
from tests.e2e.coordinator import bridge_address
from tests.e2e.jobs import Job, variable
from tests.e2e.runner import wait_until_empty
from tests.engine.calls import Host, wait_until
from tests.engine.conftest import BASH
from tests.engine.jobs import PULL_NOTHING, Driver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from executor.usage.model import ContainerUse, Usage, Used, Verdict

    StartJob = Callable[..., Driver]

MIB = 1024**2

# Holds so many MiB for some seconds: `tail` keeps what it may have to print. A shell that counts, for some time.
HOLD = "head -c {size}m /dev/zero | tail | sleep {seconds}"
BURN = "TIMEFORMAT='cost %U %S'; i=0; time while ((i++ < {count})); do :; done"


def limited(**limits: str) -> str:
    """Lines of `[runners.docker]`."""
    return "\n".join([PULL_NOTHING, *(f'{key} = "{value}"' for key, value in limits.items())])


def ended(driver: Driver, *, status: str = "success", state: Path | None = None) -> tuple[Usage, tuple[Verdict, ...]]:
    """The job's last calls, and what the history keeps of it then; `state` is the folder that was given to it."""
    driver.environment["CUSTOM_ENV_CI_JOB_STATUS"] = status
    driver.end()
    path = history_file(str(state or driver.folder / "state"))
    wait_until(lambda: os.path.exists(path) and last_run(path, str(driver.job.id)) is not None)
    number = last_run(path, str(driver.job.id))
    assert number is not None
    return whole_run(path, number)


def container(usage: Usage, role: str) -> ContainerUse:
    """The container of a role."""
    return next(one for one in usage.containers if one.role == role)


def row(usage: Usage, role: str, stage: str) -> Used:
    """What a container used in a stage."""
    return next(one for one in container(usage, role).stages if one.stage == stage)


def cost(output: str) -> float:
    """CPU seconds that a shell says it has used."""
    found = re.search(r"cost (\S+) (\S+)", output)
    assert found, output
    return float(found[1]) + float(found[2])


def measuring(driver: Driver) -> int:
    """The process that measures the job."""
    events = f"{os.readlink(driver.folder / 'virida-executor')}/usage/events"
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            if any(os.readlink(f"/proc/{process}/fd/{one}") == events for one in os.listdir(f"/proc/{process}/fd")):
                return int(process)
        except OSError:
            continue
    return 0


@pytest.mark.parametrize("cpus", ["", "0.5"], ids=["without a limit", "half a CPU"])
def test_cpu_time_is_what_the_processes_say_they_used(driver: StartJob, cpus: str) -> None:
    job = driver(Job(script=[]), docker_options=limited(**({"cpus": cpus} if cpus else {})))
    job.prepared()
    output = job.run(BURN.format(count=3_000_000)).output
    used, _ = ended(job)

    found = row(used, "build", "build_script")
    assert cost(output) > 2
    # Beside what it tells of itself: the shell's own start and end.
    assert found.cpu_seconds == pytest.approx(cost(output) + 0.01, rel=0.03)
    if cpus:
        assert container(used, "build").limits.cpus == 0.5
        assert (found.throttled_periods or 0) > 0
        assert max(one for curve in used.series if curve.unit == "cores" for one in curve.means) < 0.65


@pytest.mark.parametrize("before", [0, 11], ids=["in the first seconds", "at one look a second"])
@pytest.mark.parametrize("noise", ["", "dd if=/dev/zero of=/var/noise bs=1M count=400 2>/dev/null &"])
def test_memory_is_what_processes_held_for_a_second(driver: StartJob, noise: str, before: int) -> None:
    job = driver(Job(script=[]), docker_options=limited(memory="1g"))
    job.prepared()
    called = job.run(f"sleep {before}", noise, HOLD.format(size=200, seconds=1.6), "wait", "rm -f /var/noise")
    assert called.code == 0, called.output
    used, verdicts = ended(job)

    found = row(used, "build", "build_script")
    assert found.memory_anon_peak == pytest.approx(202 * MIB, rel=0.05)
    assert (found.memory_working_set_peak or 0) >= (found.memory_anon_peak or 0)
    assert container(used, "build").limits.memory == 1024 * MIB
    assert container(used, "build").top_processes[0].name == "tail"
    assert not verdicts
    if noise:
        assert (container(used, "build").whole.memory_kernel_peak or 0) > 400 * MIB
    else:
        assert found.memory_working_set_peak == pytest.approx(202 * MIB, rel=0.05)


@pytest.fixture
def source() -> Iterator[tuple[int, int]]:
    """A server on all addresses of this host that sends so many bytes to whoever connects: its port, and how many."""
    size = 30 * MIB
    server = socket.create_server(("", 0))

    def serve() -> None:
        try:
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.sendall(bytes(size))
        except OSError:
            return

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1], size
    server.close()


def test_traffic_is_counted_once_for_the_containers_that_share_a_network(
    driver: StartJob, source: tuple[int, int]
) -> None:
    port, size = source
    job = driver(Job(script=[]))
    job.prepared()
    called = job.run(f"exec 3<>/dev/tcp/{bridge_address()}/{port}; wc -c <&3")
    assert str(size) in called.output
    used, _ = ended(job)

    whole = container(used, "helper").whole
    assert whole.network_received == pytest.approx(size, rel=0.02)
    assert (whole.network_sent or 0) < size / 20
    assert container(used, "build").whole.network_received is None


def test_what_a_job_wrote_to_its_container_is_known_at_its_end(driver: StartJob) -> None:
    job = driver(Job(script=[]))
    job.prepared()
    job.run("head -c 20m /dev/zero > /var/file")
    job.run("true", stage="cleanup_file_variables")
    used, _ = ended(job)

    assert container(used, "build").whole.disk_written == pytest.approx(20 * MIB, rel=0.02)


def test_disk_traffic_that_the_kernel_counts_is_what_was_written(driver: StartJob) -> None:
    job = driver(Job(script=[]))
    job.prepared()
    job.run("dd if=/dev/zero of=/var/file bs=1M count=40 oflag=direct 2>/dev/null")
    used, _ = ended(job)

    written = row(used, "build", "build_script").io_written
    if written is None:
        assert "disk reads and writes" in used.missing
        pytest.skip("this kernel counts no disk traffic of control groups v1")
    assert written == pytest.approx(40 * MIB, rel=0.02)


@pytest.mark.parametrize(
    ("script", "code", "severity"),
    [
        ("head -c 200m /dev/zero | tail >/dev/null; exit ${PIPESTATUS[1]}", 1, "error"),
        ("head -c 200m /dev/zero | tail >/dev/null || exit 5", 1, "error"),
        ("head -c 200m /dev/zero | tail >/dev/null || true; echo went on", 0, "warning"),
    ],
    ids=["137 from the script", "another code", "ignored"],
)
def test_a_process_that_the_kernel_kills_is_always_named(
    driver: StartJob, script: str, code: int, severity: str
) -> None:
    job = driver(Job(script=[]), docker_options=limited(memory="64m"))
    job.prepared()
    called = job.run(script)
    assert called.code == code
    told = "OUT OF MEMORY: the kernel killed" if code else "WARNING: The kernel killed"
    assert re.search(rf"{told} (`tail`|a process)", called.output), called.output
    assert "limit 64 MiB, peak 64 MiB" in called.output
    used, verdicts = ended(job)

    assert row(used, "build", "build_script").oom_kills == 1
    assert [(one.code, one.severity) for one in verdicts] == [("oom", severity)]
    assert used.result == ("script_failure" if code else "success")


def test_a_kill_is_told_once(driver: StartJob) -> None:
    job = driver(Job(script=[]), docker_options=limited(memory="64m"))
    job.prepared()
    assert "kernel killed" in job.run("head -c 200m /dev/zero | tail >/dev/null || true").output
    assert "kernel killed" not in job.run("true", stage="after_script").output


def test_a_kill_that_takes_the_container_with_it_is_named(driver: StartJob) -> None:
    """The stage loop itself grows: with it the control group is gone, and with that its counter."""
    job = driver(Job(script=[]), docker_options=limited(memory="64m"))
    job.prepared()
    first = "echo 1000 > /proc/1/oom_score_adj"
    called = job.run(first, "head -c 200m /dev/zero | tail")
    assert called.code == 1
    assert "OUT OF MEMORY" in called.output, called.output
    used, verdicts = ended(job)

    assert (container(used, "build").whole.oom_kills or 0) >= 1
    assert "oom" in [one.code for one in verdicts]


def test_a_service_that_is_killed_is_named_as_what_may_be_behind_a_failure(driver: StartJob) -> None:
    service = {
        "name": BASH,
        "alias": "db",
        "entrypoint": ["sh", "-c"],
        "command": ["sleep 1; head -c 100m /dev/zero | tail; sleep 60"],
    }
    job = driver(
        Job(script=[], services=[service], variables=[variable("HEALTHCHECK_TCP_PORT", "0")]),
        docker_options=limited(service_memory="32m") + "\nwait_for_services_timeout = -1",
    )
    job.prepared()
    called = job.run("sleep 2.5; echo cannot connect; exit 1")
    assert "in the service db (limit 32 MiB" in called.output, called.output
    used, verdicts = ended(job)

    assert "service-oom" in [one.code for one in verdicts]
    assert container(used, "service").name == "db"
    assert container(used, "service").whole.network_received is not None


def test_a_job_of_a_moment_is_measured(driver: StartJob) -> None:
    job = driver(Job(script=[]))
    job.prepared()
    job.run("sleep 0.3")
    used, verdicts = ended(job)

    found = row(used, "build", "build_script")
    assert found.samples >= 2
    assert found.memory_anon_peak
    assert found.cpu_seconds is not None
    assert found.wall_seconds == pytest.approx(0.35, abs=0.2)
    assert not verdicts


@pytest.mark.parametrize(
    ("options", "status", "result", "told"),
    [
        ({}, "canceled", "canceled", "CANCELED in build_script, which had run for"),
        ({"timeout": 5}, "running", "timeout", "TIME LIMIT: the job's 5.0 s were over in build_script"),
    ],
    ids=["canceled", "out of time"],
)
def test_a_job_that_is_stopped_hears_where_its_time_went(
    driver: StartJob, options: dict[str, Any], status: str, result: str, told: str
) -> None:
    job = driver(Job(script=[], **options))
    job.prepared()
    process = job.begin("run", job.script("echo begun; sleep 60"), "build_script")
    assert process.stdout
    assert process.stdout.readline() == b"begun\n"
    time.sleep(0.5 if not options else 3.5)
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=30)[0].decode()
    assert told in output, output
    used, verdicts = ended(job, status=status)

    assert used.result == result
    assert used.failed_stage == "build_script"
    assert [one.code for one in verdicts] == [result]


def test_a_container_that_is_made_again_is_measured_on(driver: StartJob) -> None:
    job = driver(Job(script=[], variables=[variable("EXECUTOR_JOB_SECTION_ATTEMPTS", "2")]))
    job.prepared()
    first = job.run(BURN.format(count=300_000)).output
    time.sleep(1.2)
    process = job.begin("run", job.script("echo begun", "sleep 1.5", BURN.format(count=400_000)), "build_script")
    assert process.stdout
    assert process.stdout.readline() == b"begun\n"
    os.system(f"docker rm -f {job.inspect('build')['Id']} >/dev/null")
    second = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 0, second
    used, _ = ended(job)

    assert container(used, "build").whole.cpu_seconds == pytest.approx(cost(first) + cost(second), abs=0.3)


def test_a_job_whose_measuring_dies_loses_nothing_else(driver: StartJob) -> None:
    job = driver(Job(script=[]))
    job.prepared()
    assert job.run(BURN.format(count=200_000)).code == 0
    time.sleep(0.5)
    os.kill(measuring(job), signal.SIGKILL)
    assert job.run("true", stage="after_script").code == 0
    last = job.run("true", stage="cleanup_file_variables")
    assert last.code == 0
    assert "Resource usage: peak memory" in last.output
    used, _ = ended(job)

    assert (row(used, "build", "build_script").cpu_seconds or 0) > 0.05


def test_nobody_measures_where_the_operator_does_not_want_it(driver: StartJob) -> None:
    job = driver(Job(script=[]))
    with (job.folder / "executor.toml").open("a") as file:
        file.write("[usage]\nenabled = false\n")
    job.prepared()
    assert measuring(job) == 0
    assert "Resource usage" not in job.run("true", stage="cleanup_file_variables").output
    job.end()

    assert not os.path.exists(history_file(str(job.folder / "state")))


def test_a_section_that_is_not_wanted_is_not_made(driver: StartJob) -> None:
    job = driver(Job(script=[]))
    with (job.folder / "executor.toml").open("a") as file:
        file.write("[usage]\nsection = false\n")
    job.prepared()
    assert "Resource usage" not in job.run("true", stage="cleanup_file_variables").output
    used, _ = ended(job)

    assert used.result == "success"


def test_where_gitlab_folds_no_sections_the_lines_are_plain(driver: StartJob) -> None:
    job = driver(Job(script=[]), changes={"features": {"trace_sections": False}})
    job.prepared()
    output = job.run("true", stage="cleanup_file_variables").output

    assert re.match(r"Resource usage: peak memory", output), output
    assert "section_" not in output


def test_a_locale_without_utf_8_gets_ascii(driver: StartJob) -> None:
    job = driver(Job(script=[]), environment={"LC_ALL": "C"})
    job.prepared()
    job.run("sleep 0.6")
    output = job.run("true", stage="cleanup_file_variables").output

    assert "memory  " in output
    assert output.isascii()


def test_measuring_ends_when_the_runner_is_gone(tmp_path: Path) -> None:
    host = Host(tmp_path / "host")
    calls = host.job().prepared()
    folder = os.readlink(calls.tmpdir / "virida-executor")
    assert _listens(folder)
    calls.vanish()
    left = wait_until_empty(lambda: ["it"] if _listens(folder) else [], 12)

    assert not left
    assert read_data(folder)
    other = host.job().prepared()
    other.end()
    host.assert_nothing_left(30)
    path = history_file(str(host.state_dir))
    number = last_run(path, str(calls.job.id))
    assert number is not None
    assert whole_run(path, number)[0].result == "system_failure"


def _listens(folder: str) -> bool:
    try:
        os.close(os.open(f"{folder}/usage/events", os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True
