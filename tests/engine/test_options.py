"""Keys of `[runners.docker]` on real containers: what the Engine was told, and what a script inside sees of it.

A job costs a second, so each checks all keys that go together.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.jobs import Job, unique_number, variable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.conftest import StartJob
    from tests.engine.jobs import Driver

NOTHING = 'pull_policy = ["if-not-present"]\n'
MIB = 1 << 20

# Keys, what HostConfig says of them in build and helper, commands and what they print.
LIMITS = """
memory = "256m"
memory_swap = "300m"
memory_reservation = "128m"
cpus = "3/2"
cpu_shares = 512
cpuset_cpus = "0"
cpuset_mems = "0"
oom_kill_disable = true
oom_score_adjust = 300
cgroup_parent = "/virida-test"
shm_size = 33554432
ulimit = { nofile = "1000:2000", core = "0" }
sysctls = { "kernel.msgmax" = "9000" }
group_add = ["4242"]
"""
RIGHTS = """
cap_add = ["NET_ADMIN"]
cap_drop = ["MKNOD"]
security_opt = ["no-new-privileges", "seccomp=@SECCOMP@"]
devices = ["/dev/null:/dev/nothing:rw", "/dev/zero"]
device_cgroup_rules = ["c 10:229 rwm"]
tmpfs = { "/fast" = "size=3m,mode=1777" }
dns = ["192.0.2.53"]
dns_search = ["example.test"]
extra_hosts = ["friend:192.0.2.1"]
runtime = "runc"
userns_mode = "host"
ipcmode = "shareable"
hostname = "my-host"
mac_address = "02:42:ac:11:00:99"
container_labels = { "team" = "core-$CI_JOB_ID" }
log_options = { "labels" = "team" }
"""
CASES: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "limits": (
        LIMITS,
        {
            "Memory": 256 * MIB,
            "MemorySwap": 300 * MIB,
            "MemoryReservation": 128 * MIB,
            "NanoCpus": 1_500_000_000,
            "CpuShares": 512,
            "CpusetCpus": "0",
            "CpusetMems": "0",
            "OomKillDisable": True,
            "OomScoreAdj": 300,
            "CgroupParent": "/virida-test",
            "ShmSize": 32 * MIB,
            "Sysctls": {"kernel.msgmax": "9000"},
            "GroupAdd": ["4242"],
        },
        {
            "cat /proc/self/oom_score_adj": "300",
            "df -m --output=size /dev/shm | tail -n1 | tr -d ' '": "32",
            "ulimit -Sn; ulimit -Hn; ulimit -c": "1000\n2000\n0",
            "cat /proc/sys/kernel/msgmax": "9000",
            "id -G": "0 4242",
            "nproc": "1",
            "grep -c /virida-test/ /proc/self/cgroup | sed s/[1-9].*/yes/": "yes",
        },
    ),
    "rights": (
        RIGHTS,
        {
            "CapAdd": ["NET_ADMIN"],
            "CapDrop": ["MKNOD"],
            "Tmpfs": {"/fast": "size=3m,mode=1777"},
            "DeviceCgroupRules": ["c 10:229 rwm"],
            "Runtime": "runc",
            "UsernsMode": "host",
            "IpcMode": "shareable",
        },
        {
            "ip=$(grep CapEff /proc/self/status); echo $((0x${ip##*\t} >> 12 & 1)) $((0x${ip##*\t} >> 27 & 1))": "1 0",
            "grep NoNewPrivs /proc/self/status | tr -d '\\t'": "NoNewPrivs:1",
            "touch /tmp/a; ln /tmp/a /tmp/b 2>&1 | sed 's/.*: //'": "Operation not permitted",
            "echo gone > /dev/nothing; cat /dev/nothing; head -c1 /dev/zero | od -An -tx1": " 00",
            "df -m --output=size /fast | tail -n1 | tr -d ' '": "3",
            "grep -c example.test /etc/resolv.conf": "1",
            "grep friend /etc/hosts | tr '\\t' ' '": "192.0.2.1 friend",
            "hostname": "my-host",
            "cat /sys/class/net/eth0/address": "02:42:ac:11:00:99",
        },
    ),
    "host network": (
        'network_mode = "host"',
        {"NetworkMode": "host"},
        {"[ -e /sys/class/net/docker0 ] && echo host": "host"},
    ),
    "no network": ('network_mode = "none"', {"NetworkMode": "none"}, {"ls /sys/class/net": "lo"}),
    "host ipc": ('ipcmode = "host"', {"IpcMode": "host"}, {"echo works": "works"}),
}


def with_options(driver: StartJob, options: str, **job: Any) -> Driver:
    """A driver for a job of a runner with these lines in `[runners.docker]`."""
    return driver(Job(script=[], **job), docker_options=NOTHING + options)


def seen(made: Driver, *commands: str, stage: str = "build_script") -> list[str]:
    """What each command prints in the build container."""
    called = made.run(*(f"{{ {command}\n}}; echo ---" for command in commands), stage=stage)
    assert called.code == 0, called.output
    return [text.strip("\n") for text in called.output.split("---\n")[:-1]]


@pytest.fixture
def seccomp(tmp_path: Path) -> str:
    """The path of a profile that forbids hard links."""
    refusal = {"names": ["link", "linkat"], "action": "SCMP_ACT_ERRNO"}
    path = tmp_path / "seccomp.json"
    path.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refusal]}))
    return str(path)


@pytest.mark.parametrize(("options", "told", "inside"), CASES.values(), ids=CASES.keys())
def test_options_reach_the_containers(
    driver: StartJob, seccomp: str, options: str, told: dict[str, Any], inside: dict[str, str]
) -> None:
    made = with_options(driver, options.replace("@SECCOMP@", seccomp))
    made.prepared()
    for kind in ("build", "predefined"):
        host = made.inspect(kind)["HostConfig"]
        assert {key: host[key] for key in told} == told
    assert dict(zip(inside, seen(made, *inside), strict=True)) == inside
    assert made.run("true", stage="get_sources").code == 0


def test_labels_and_log_options(driver: StartJob) -> None:
    made = with_options(driver, RIGHTS.replace("@SECCOMP@", "unconfined"))
    made.prepared()
    found = made.inspect("build")
    assert found["Config"]["Labels"]["team"] == f"core-{made.job.id}"
    assert found["Config"]["Labels"]["com.gitlab.gitlab-runner.managed"] == "true"
    assert found["HostConfig"]["LogConfig"]["Type"] == "json-file"
    assert found["HostConfig"]["LogConfig"]["Config"]["labels"] == "team"
    assert made.inspect("predefined")["HostConfig"]["Dns"] == ["192.0.2.53"]


def test_what_the_build_container_has_alone(driver: StartJob) -> None:
    flag = variable("FF_USE_INIT_WITH_DOCKER_EXECUTOR", "true")
    made = with_options(driver, 'user = "1000:1000"\nallowed_users = ["1000:1000"]', variables=[flag])
    made.prepared()
    assert seen(made, "id -u; id -g", "cat /proc/1/comm") == ["1000\n1000", "docker-init"]
    assert seen(made, "id -u", stage="get_sources") == ["0"]
    assert not made.inspect("predefined")["HostConfig"].get("Init")


def test_the_hosts_processes(driver: StartJob) -> None:
    made = with_options(driver, 'pid_mode = "host"')
    made.prepared()
    assert made.inspect("build")["HostConfig"]["PidMode"] == "host"
    assert made.inspect("predefined")["HostConfig"]["PidMode"] == ""
    assert int(seen(made, "echo $$")[0]) > 10


@pytest.mark.parametrize(
    ("options", "privileged"),
    [
        ('allowed_privileged_images = ["debian:*"]', True),
        ('allowed_privileged_images = ["docker:*"]', False),
        ("", True),
        ('services_privileged = false\nallowed_privileged_images = ["debian:*"]', True),
    ],
)
def test_only_some_images_are_privileged(driver: StartJob, options: str, privileged: bool) -> None:
    """Not all machines can start such a container: a virtual one may lack rights itself."""
    made = with_options(driver, f"privileged = true\n{options}", services=["virida-executor/test-service"])
    assert made.prepare().code in (0, 2)
    assert made.inspect("build")["HostConfig"]["Privileged"] is privileged
    assert made.inspect("predefined")["HostConfig"]["Privileged"] is (privileged and not options)
    assert made.inspect("service")["HostConfig"]["Privileged"] is ("services_privileged" not in options)


@pytest.fixture
def volume() -> Iterator[str]:
    """An operator's own volume."""
    name = f"virida-test-{unique_number()}"
    subprocess.run(["docker", "volume", "create", name], check=True, capture_output=True)
    yield name
    subprocess.run(["docker", "volume", "rm", name], check=True, capture_output=True)


def test_volumes_of_the_operator(volume: str, driver: StartJob, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/file").write_text("of the host")
    shared = f"{tmp_path}/shared"
    volumes = [f"{shared}:/rw", f"{shared}:/ro:ro", f"{volume}:/named", f"{shared}:/job/$CI_JOB_ID:ro"]
    made = with_options(driver, f"volumes = {json.dumps(volumes)}")
    made.prepared()
    wrong = "touch /ro/new 2>/dev/null || echo refused"
    path = f"/job/{made.job.id}/file"
    assert seen(made, "cat /ro/file", wrong, f"cat {path}", "echo back > /rw/new; echo kept > /named/file") == [
        "of the host",
        "refused",
        "of the host",
        "",
    ]
    assert seen(made, "cat /named/file", stage="get_sources") == ["kept"]
    assert (tmp_path / "shared/new").read_text() == "back\n"


def test_a_job_that_is_not_root_writes_to_a_path_alone(driver: StartJob) -> None:
    paths = ["/kept", "/it's $(odd)"]
    made = with_options(driver, f"volumes = {json.dumps(paths)}", image="virida-executor/test-nonroot")
    made.prepared()
    names = [storage(made, path)["Name"] for path in paths]
    try:
        assert made.run("true", stage="prepare_script").code == 0
        assert seen(made, "id -u", *(f"touch {shlex.quote(path)}/file; echo written" for path in paths)) == [
            "1000",
            "written",
            "written",
        ]
    finally:
        made.end()
        subprocess.run(["docker", "volume", "rm", "-f", *names], check=True, capture_output=True)


def storage(made: Driver, target: str) -> dict[str, Any]:
    """The mount of the build container at `target`."""
    return next(dict(mount) for mount in made.inspect("build")["Mounts"] if mount["Destination"] == target)


def test_a_path_alone_is_kept_for_the_projects_next_job(driver: StartJob) -> None:
    volumes = 'volumes = ["/cache", "/kept"]'
    made = with_options(driver, volumes)
    made.prepared()
    name = storage(made, "/kept")["Name"]
    try:
        assert storage(made, "/cache")["Type"] == "bind"
        seen(made, "echo kept > /kept/file")
        made.end()
        job = Job(script=[], project=made.job.project)
        again = driver(job, docker_options=NOTHING + volumes, token=made.token)
        again.prepared()
        assert seen(again, "cat /kept/file") == ["kept"]
        again.end()
        other = driver(Job(script=[]), docker_options=NOTHING + volumes, token=made.token)
        other.prepared()
        others = storage(other, "/kept")["Name"]
        assert others != name
        other.end()
        subprocess.run(["docker", "volume", "rm", others], check=True, capture_output=True)
        labels = json.loads(subprocess.check_output(["docker", "volume", "inspect", "-f", "{{json .Labels}}", name]))
        assert labels["com.gitlab.gitlab-runner.reusable"] == "true"
        assert labels["com.gitlab.gitlab-runner.destination"] == "/kept"
    finally:
        subprocess.run(["docker", "volume", "rm", "-f", name], check=True, capture_output=True)


def test_without_a_cache_paths_alone_are_not_there(driver: StartJob) -> None:
    made = with_options(driver, 'volumes = ["/cache", "/kept"]\ndisable_cache = true')
    output = made.prepared()
    assert output.count("`disable_cache` is set") == 2
    look = "ls -d /cache /kept 2> /dev/null || echo neither"
    assert seen(made, look) == ["neither"]
    assert seen(made, look, stage="get_sources") == ["neither"]


def test_paths_in_a_folder_of_the_host(driver: StartJob, tmp_path: Path) -> None:
    made = with_options(driver, f'volumes = ["/kept"]\ncache_dir = "{tmp_path}/store"')
    made.prepared()
    assert storage(made, "/kept")["Source"].startswith(f"{tmp_path}/store/runner-")
    assert storage(made, "/kept")["Type"] == "bind"


def test_a_volume_driver_with_options(driver: StartJob) -> None:
    ops = 'volume_driver_ops = { "type" = "tmpfs", "device" = "tmpfs", "o" = "size=2m" }'
    made = with_options(driver, f'volumes = ["/small"]\nvolume_driver = "local"\n{ops}')
    made.prepared()
    name = storage(made, "/small")["Name"]
    try:
        assert seen(made, "df -m --output=size /small | tail -n1 | tr -d ' '") == ["2"]
    finally:
        made.end()
        subprocess.run(["docker", "volume", "rm", "-f", name], check=True, capture_output=True)


@pytest.fixture
def neighbour() -> Iterator[str]:
    """A container of the operator's with a volume, on the default bridge."""
    name = f"virida-test-{unique_number()}"
    command = ["docker", "run", "-d", "--name", name, "-v", "/of/neighbour", "debian:12", "sleep", "300"]
    subprocess.run(command, check=True, capture_output=True)
    subprocess.run(["docker", "exec", name, "sh", "-c", "echo hello > /of/neighbour/file"], check=True)
    yield name
    subprocess.run(["docker", "rm", "-fv", name], check=True, capture_output=True)


@pytest.mark.parametrize("mode", ["", 'network_mode = "bridge"'])
def test_what_a_job_has_of_other_containers(neighbour: str, driver: StartJob, mode: str) -> None:
    options = f'{mode}\nlinks = ["{neighbour}:beside"]\nvolumes_from = ["{neighbour}:ro"]'
    made = with_options(driver, options)
    made.prepared()
    assert seen(made, "cat /of/neighbour/file", "getent hosts beside | wc -l") == ["hello", "1"]


def test_the_network_of_another_container(neighbour: str, driver: StartJob) -> None:
    made = with_options(driver, f'network_mode = "container:{neighbour}"')
    made.prepared()
    own = subprocess.check_output(["docker", "exec", neighbour, "hostname"], text=True)
    assert seen(made, "hostname") == [own.strip()]


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        ('isolation = "hyperv"', 0, "isolation has no effect here: it is for Windows containers"),
        ('cpus = "512"', 0, "it limits nothing"),
        ('gpus = "all"', 2, "could not select device driver"),
        ('devices = ["/dev/does-not-exist"]', 2, "/dev/does-not-exist"),
        ('network_mode = "no-such-network"', 2, "no-such-network"),
        ('runtime = "no-such-runtime"', 2, "no-such-runtime"),
        ('security_opt = ["seccomp=/no/such/file"]', 2, "/no/such/file"),
        ('volumes = ["/builds/../etc"]', 2, "it holds `..`"),
    ],
)
def test_what_cannot_be_is_told_with_its_name(driver: StartJob, options: str, code: int, told: str) -> None:
    called = with_options(driver, options).prepare()
    assert called.code == code, called.output
    assert told in called.output
    assert "Traceback" not in called.output


def test_the_jobs_own_network(driver: StartJob) -> None:
    made = with_options(driver, "network_mtu = 1400")
    made.prepared()
    assert seen(made, "cat /sys/class/net/eth0/mtu", "getent hosts build | wc -l") == ["1400", "1"]
