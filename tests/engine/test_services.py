"""Services: their names on every kind of network, how their readiness is told, their logs, their end."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.jobs import Job, unique_number, variable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import StartJob
    from tests.engine.jobs import Driver

SERVICE = "virida-executor/test-service"
NOTHING = 'pull_policy = ["if-not-present"]\n'

LIMITS = """
service_memory = "64m"
service_memory_swap = "64m"
service_memory_reservation = "32m"
service_cpus = "0.5"
service_cpu_shares = 512
service_cpuset_cpus = "0"
services_tmpfs = { "/fast" = "size=1m" }
services_security_opt = ["no-new-privileges"]
services_devices = { "**" = ["/dev/null:/dev/nothing:r"] }
"""

# A request over bash's own sockets: the job's image has no client.
GET = "exec 3<>/dev/tcp/{host}/8080; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -n1 <&3"


def with_services(driver: StartJob, *services: Any, options: str = "", runner: str = "", **job: Any) -> Driver:
    """A driver for a job with these services."""
    made = Job(script=[], services=list(services), **job)
    return driver(made, docker_options=NOTHING + options, runner_options=runner)


def service(alias: str = "", image: str = SERVICE, **options: Any) -> dict[str, Any]:
    return {"name": image, "alias": alias, **options}


def variables(**values: str) -> list[Any]:
    return [variable(key, value) for key, value in values.items()]


def reaches(made: Driver, *hosts: str) -> None:
    """The build container gets an answer from each of `hosts`."""
    called = made.run(*(GET.format(host=host) for host in hosts))
    assert called.output.count("200 OK") == len(hosts), called.output


@pytest.fixture
def network() -> Iterator[str]:
    """An operator's own network."""
    name = f"virida-test-{unique_number()}"
    subprocess.run(["docker", "network", "create", name], check=True, capture_output=True)
    yield name
    subprocess.run(["docker", "network", "rm", name], check=True, capture_output=True)


@pytest.mark.parametrize("mode", ["", "bridge", "existing"])
def test_services_answer_to_their_names_on_every_network(network: str, driver: StartJob, mode: str) -> None:
    options = f'network_mode = "{network if mode == "existing" else mode}"' if mode else ""
    made = with_services(driver, service("web,www other"), service("second"), options=options)
    output = made.prepared()
    assert output.count("ready in") == 2
    reaches(made, "web", "www", "other", "second", "virida-executor-test-service", "virida-executor__test-service")


def test_services_on_the_hosts_network_are_found_on_its_loopback(driver: StartJob) -> None:
    options = 'network_mode = "host"\nwait_for_services_timeout = 3'
    idle = service("idle", command=["sleep", "60"], variables=variables(HEALTHCHECK_TCP_PORT="1"))
    made = with_services(driver, idle, options=options)
    assert "no port answered within 3 s" in made.prepared()
    assert "127.0.0.1" in made.run("getent hosts idle").output


def test_services_without_a_network_are_not_waited_for(driver: StartJob) -> None:
    made = with_services(driver, service("lonely"), options='network_mode = "none"')
    output = made.prepared()
    assert "none can be reached by its name" in output
    assert "its network is closed to the runner" in output


def test_the_same_image_twice_needs_an_alias(driver: StartJob) -> None:
    made = with_services(driver, SERVICE, SERVICE)
    output = made.prepared()
    assert "is not started: other services have all its names" in output
    assert output.count("ready in") == 1
    reaches(made, "virida-executor-test-service")


def test_what_a_service_is_started_with(driver: StartJob) -> None:
    wanted = service(
        "web",
        entrypoint=["sh", "-c"],
        command=["echo $PASSWORD > /tmp/password; exec /serve.sh"],
        executor_opts={"docker": {"user": "1000:1000"}},
        pull_policy=["if-not-present"],
        variables=variables(PASSWORD="$SECRET"),
    )
    secret = variable("SECRET", "of-the-project", masked=True)
    made = with_services(driver, wanted, options=LIMITS, variables=[secret, variable("OPEN", "yes")])
    assert "ready in" in made.prepared()
    found = made.inspect("service")
    assert found["Config"]["Entrypoint"] == ["sh", "-c"]
    assert found["Config"]["User"] == "1000:1000"
    environment = set(found["Config"]["Env"])
    assert {"PASSWORD=of-the-project", "OPEN=yes"} <= environment
    assert not any(entry.startswith(("SECRET=", "CI_JOB_TOKEN=")) for entry in environment)
    host = found["HostConfig"]
    assert (host["Memory"], host["MemoryReservation"], host["MemorySwap"]) == (64 << 20, 32 << 20, 64 << 20)
    assert (host["NanoCpus"], host["CpuShares"], host["CpusetCpus"]) == (500_000_000, 512, "0")
    assert host["Tmpfs"] == {"/fast": "size=1m"}
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Devices"][0]["PathInContainer"] == "/dev/nothing"
    assert found["Config"]["Labels"]["com.gitlab.gitlab-runner.service"] == SERVICE


@pytest.mark.parametrize("mode", ["", "bridge"])
def test_a_service_whose_command_is_not_there_is_the_jobs_fault(driver: StartJob, mode: str) -> None:
    options = f'network_mode = "{mode}"' if mode else ""
    made = with_services(driver, service("good"), service("bad", command=["/no/such/program"]), options=options)
    called = made.prepare()
    assert called.code == 1
    assert "SERVICE NOT STARTED: virida-executor/test-service:latest cannot run its command" in called.output
    assert "/no/such/program" in called.output


def test_services_of_the_operator_come_first(driver: StartJob) -> None:
    own = '[[runners.docker.services]]\nname = "virida-executor/test-service"\nalias = "standing"\n'
    own += 'environment = ["GREETING=hello"]\ncommand = ["sh", "-c", "exec /serve.sh"]'
    made = with_services(driver, service("jobs"), options=own)
    output = made.prepared()
    assert output.count("ready in") == 2
    assert "GREETING=hello" in made.inspect("service")["Config"]["Env"]
    reaches(made, "standing", "jobs")


@pytest.mark.parametrize("key", ["HEALTHCHECK_TCP_PORT", "healthcheck_tcp_port"])
def test_the_port_that_a_service_names_is_the_only_one_tried(driver: StartJob, key: str) -> None:
    command = ["sh", "-c", "exec httpd -f -p 9000"]
    made = with_services(driver, service("web", command=command, variables=variables(**{key: "9000"})))
    assert "(port 9000)" in made.prepared()


def test_the_port_that_an_image_names(driver: StartJob) -> None:
    image = f"virida-test/health:{unique_number()}"
    text = f'FROM {SERVICE}\nENV Healthcheck_Tcp_Port=9000\nCMD ["httpd", "-f", "-p", "9000"]\n'
    subprocess.run(["docker", "build", "-q", "-t", image, "-"], input=text.encode(), check=True, capture_output=True)
    try:
        made = with_services(driver, service("web", image))
        assert "(port 9000)" in made.prepared()
        made.end()
    finally:
        subprocess.run(["docker", "image", "rm", image], capture_output=True)


def test_a_port_that_is_none_is_a_warning(driver: StartJob) -> None:
    output = with_services(driver, service("web", variables=variables(HEALTHCHECK_TCP_PORT="http"))).prepared()
    assert "HEALTHCHECK_TCP_PORT of service virida-executor/test-service is 'http', which is not a port" in output
    assert "ready in" in output


def test_a_service_that_never_listens_is_a_warning_with_its_log(driver: StartJob) -> None:
    mute = service("mute", command=["sh", "-c", "echo thinking; exec sleep 60"])
    made = with_services(driver, mute, options="wait_for_services_timeout = 1")
    output = made.prepared()
    assert "mute) probably didn't start properly: no port answered within 1 s." in output
    assert "\nthinking\n" in output


def test_a_service_that_ends_is_a_warning_at_once(driver: StartJob) -> None:
    made = with_services(driver, service("broken", variables=variables(EXIT_CODE="7")))
    called = made.prepare()
    assert called.code == 0
    assert "it ended before it was ready" in called.output
    assert called.seconds < 10


def test_a_service_without_ports_costs_no_time(driver: StartJob) -> None:
    quiet = service("quiet", "virida-executor/test-busybox", command=["sleep", "60"])
    called = with_services(driver, quiet).prepare()
    assert "it exposes no port" in called.output
    assert called.seconds < 8


def test_a_negative_timeout_waits_for_nothing(driver: StartJob) -> None:
    slow = service("slow", variables=variables(START_DELAY="30"))
    called = with_services(driver, slow, options="wait_for_services_timeout = -1").prepare()
    assert "slow   started" in called.output


def test_what_services_write_is_shown_where_the_job_asks_for_it(driver: StartJob) -> None:
    talk = service("talk", command=["sh", "-c", "echo at first; sleep 2; echo later >&2; exec /serve.sh"])
    made = with_services(driver, talk, variables=variables(CI_DEBUG_SERVICES="true"))
    made.prepared()
    prefix = "[service:virida-executor__test-service-virida-executor-test-service-talk]"
    first = made.run("echo one", stage="prepare_script").output
    assert f"{prefix} at first\n" in first
    assert "at first" not in made.run("echo two", stage="get_sources").output
    # Either the wait for its port was longer than its silence, or this stage sees it speak.
    assert f"{prefix} later\n" in first + made.run("sleep 2").output


def test_logs_of_services_leave_no_pipe_open(driver: StartJob) -> None:
    """The runner waits for whoever holds its pipes: the call must be over when the stage is."""
    noisy = service("noisy", command=["sh", "-c", "while :; do echo more; sleep 0.05; done"])
    options = "wait_for_services_timeout = -1"
    made = with_services(driver, noisy, options=options, variables=variables(CI_DEBUG_SERVICES="true"))
    made.prepared()
    called = made.run("true")
    assert "more" in called.output
    assert called.seconds < 5


def test_an_operator_forbids_the_logs_of_services(driver: StartJob) -> None:
    talk = service("talk", command=["sh", "-c", "echo secret; exec /serve.sh"])
    made = with_services(
        driver, talk, variables=variables(CI_DEBUG_SERVICES="true"), runner="debug_trace_disabled = true"
    )
    assert "CI_DEBUG_SERVICES is ignored" in made.prepared()
    assert "secret" not in made.run("sleep 0.2").output


def test_a_service_that_died_is_told_when_the_job_fails(driver: StartJob) -> None:
    made = with_services(driver, service("web"))
    made.prepared()
    subprocess.run(["docker", "kill", made.inspect("service")["Id"]], check=True, capture_output=True)
    assert "Service" not in made.run("true").output
    called = made.run("exit 3")
    assert called.code == 1
    assert "web does not run any more: it was killed (exit code 137)." in called.output


def test_allowed_services(driver: StartJob) -> None:
    allowed = 'allowed_services = ["postgres:*"]\n[[runners.docker.services]]\nname = "virida-executor/test-service"'
    called = with_services(driver, service("web", f"{SERVICE}:latest"), options=allowed).prepare()
    assert called.code == 1
    assert "Allowed are: postgres:*" in called.output
    assert with_services(driver, options=allowed).prepare().code == 0


def test_too_many_services(driver: StartJob) -> None:
    called = with_services(driver, SERVICE, SERVICE, options="services_limit = 1").prepare()
    assert called.code == 1
    assert "Too many services requested: 2, only 1 allowed." in called.output
