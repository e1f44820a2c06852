"""HostConfig: every key of `[runners.docker]` reaches the containers it is for, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from executor.errors import OperatorError
from executor.job.model import Image, Variable
from executor.plan.devices import device, device_requests, ulimit
from tests.unit.job.builders import job
from tests.unit.plan.builders import plan

GIB = 1024**3
LOGS = {"LogConfig": {"Type": "json-file", "Config": {"max-size": "50m", "max-file": "2"}}}


def configs(**docker: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """HostConfig of helper, build and service, without the logs that all have."""
    made = plan(job(services=(Image(name="redis:7"),)), **docker)
    containers = (made.helper, made.build, made.services[0].container)
    helper, build, service = ({k: v for k, v in c.host_config.items() if k != "LogConfig"} for c in containers)
    return helper, build, service


def test_nothing_said_is_nothing_asked_for() -> None:
    assert configs() == ({}, {}, {})
    assert plan().build.host_config == LOGS


@pytest.mark.parametrize(
    ("docker", "config"),
    [
        ({"memory": "2g"}, {"Memory": 2 * GIB}),
        ({"memory": "2g", "memory_swap": "3g"}, {"Memory": 2 * GIB, "MemorySwap": 3 * GIB}),
        ({"memory_reservation": "512m"}, {"MemoryReservation": GIB // 2}),
        ({"cpus": "1.5"}, {"NanoCpus": 1_500_000_000}),
        ({"cpus": "3/2"}, {"NanoCpus": 1_500_000_000}),
        ({"cpu_shares": 512}, {"CpuShares": 512}),
        ({"cpuset_cpus": "0,1", "cpuset_mems": "0"}, {"CpusetCpus": "0,1", "CpusetMems": "0"}),
        ({"oom_kill_disable": True, "oom_score_adjust": 300}, {"OomKillDisable": True, "OomScoreAdj": 300}),
        ({"cgroup_parent": "jobs.slice"}, {"CgroupParent": "jobs.slice"}),
        ({"cap_add": ("NET_ADMIN",), "cap_drop": ("MKNOD",)}, {"CapAdd": ["NET_ADMIN"], "CapDrop": ["MKNOD"]}),
        ({"group_add": ("docker",)}, {"GroupAdd": ["docker"]}),
        ({"sysctls": {"kernel.shmmax": "1"}}, {"Sysctls": {"kernel.shmmax": "1"}}),
        ({"ulimit": {"nofile": "1024:2048"}}, {"Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 2048}]}),
        ({"security_opt": ("no-new-privileges",)}, {"SecurityOpt": ["no-new-privileges"]}),
        ({"ipcmode": "host"}, {"IpcMode": "host"}),
        ({"gpus": "all"}, {"DeviceRequests": device_requests("all")}),
        ({"devices": ("/dev/kvm",)}, {"Devices": [device("/dev/kvm")]}),
        ({"device_cgroup_rules": ("c 81:* rmw",)}, {"DeviceCgroupRules": ["c 81:* rmw"]}),
        ({"volumes_from": ("store:ro",)}, {"VolumesFrom": ["store:ro"]}),
        ({"tmpfs": {"/run": "rw,noexec"}}, {"Tmpfs": {"/run": "rw,noexec"}}),
        ({"privileged": True, "services_privileged": False}, {"Privileged": True}),
    ],
)
def test_keys_of_the_job_are_for_helper_and_build_alone(docker: dict[str, Any], config: dict[str, Any]) -> None:
    assert configs(**docker) == (config, config, {})


@pytest.mark.parametrize(
    ("docker", "config"),
    [
        ({"service_memory": "1g"}, {"Memory": GIB}),
        ({"service_memory": "1g", "service_memory_swap": "2g"}, {"Memory": GIB, "MemorySwap": 2 * GIB}),
        ({"service_memory_reservation": "1g"}, {"MemoryReservation": GIB}),
        ({"service_cpus": "0.5", "service_cpu_shares": 2}, {"NanoCpus": 500_000_000, "CpuShares": 2}),
        (
            {"service_cpuset_cpus": "1", "service_cgroup_parent": "s.slice"},
            {"CpusetCpus": "1", "CgroupParent": "s.slice"},
        ),
        ({"service_gpus": "2"}, {"DeviceRequests": device_requests("2")}),
        ({"services_security_opt": ("no-new-privileges",)}, {"SecurityOpt": ["no-new-privileges"]}),
        ({"services_tmpfs": {"/run": ""}}, {"Tmpfs": {"/run": ""}}),
        ({"services_privileged": True}, {"Privileged": True}),
        ({"services_devices": {"redis:*": ("/dev/kvm",)}}, {"Devices": [device("/dev/kvm")]}),
        ({"services_devices": {"postgres:*": ("/dev/kvm",)}}, {}),
    ],
)
def test_keys_of_services_are_for_services_alone(docker: dict[str, Any], config: dict[str, Any]) -> None:
    assert configs(**docker) == ({}, {}, config)


@pytest.mark.parametrize(
    ("docker", "config"),
    [
        ({"runtime": "crun", "userns_mode": "host"}, {"Runtime": "crun", "UsernsMode": "host"}),
        ({"shm_size": 300_000}, {"ShmSize": 300_000}),
        ({"privileged": True}, {"Privileged": True}),
    ],
)
def test_keys_that_are_for_all(docker: dict[str, Any], config: dict[str, Any]) -> None:
    assert configs(**docker) == (config, config, config)


def test_processes_may_be_shared_by_the_build_container_alone() -> None:
    assert configs(pid_mode="host") == ({}, {"PidMode": "host"}, {})


@pytest.mark.parametrize(
    ("flags", "variable", "used"),
    [({}, "true", True), ({}, "0", False), ({"FF_USE_INIT_WITH_DOCKER_EXECUTOR": False}, "true", False)],
)
def test_init_is_for_build_and_services(flags: dict[str, bool], variable: str, used: bool) -> None:
    request = job(services=(Image(name="redis:7"),))
    made = plan(request, runner={"feature_flags": flags}, environment={"FF_USE_INIT_WITH_DOCKER_EXECUTOR": variable})

    assert "Init" not in made.helper.host_config
    assert ("Init" in made.build.host_config, "Init" in made.services[0].container.host_config) == (used, used)


@pytest.mark.parametrize(
    ("images", "services", "privileged"),
    [
        ((), (), (True, True, True)),
        (("docker:*",), (), (False, True, True)),
        (("other:*",), (), (False, False, True)),
        (("**",), ("redis:*",), (False, True, True)),
        ((), ("docker:*",), (True, True, False)),
    ],
)
def test_where_only_some_images_are_privileged_the_helper_never_is(
    images: tuple[str, ...], services: tuple[str, ...], privileged: tuple[bool, bool, bool]
) -> None:
    request = job(image=Image(name="docker:27"), services=(Image(name="redis:7"),))
    made = plan(request, privileged=True, allowed_privileged_images=images, allowed_privileged_services=services)

    containers = (made.helper, made.build, made.services[0].container)
    assert tuple("Privileged" in container.host_config for container in containers) == privileged


@pytest.mark.parametrize(
    ("option", "profile", "kept"),
    [
        ("seccomp=/etc/docker/profile.json", "/etc/docker/profile.json", []),
        ("seccomp=unconfined", "", ["seccomp=unconfined"]),
        ("seccomp=builtin", "", ["seccomp=builtin"]),
        ('seccomp={"defaultAction":"SCMP_ACT_ALLOW"}', "", ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}']),
    ],
)
def test_a_seccomp_profile_is_left_to_be_read_where_it_is_used(option: str, profile: str, kept: list[str]) -> None:
    made = plan(security_opt=(option, "label=disable"))

    assert (made.build.seccomp_profile, made.helper.seccomp_profile) == (profile, profile)
    assert made.build.host_config["SecurityOpt"] == [*kept, "label=disable"]


def test_log_options_join_the_bound_on_size() -> None:
    config = plan(log_options={"env": "A,B"}).build.host_config["LogConfig"]

    assert config == {"Type": "json-file", "Config": {"max-size": "50m", "max-file": "2", "env": "A,B"}}


def test_more_than_the_host_has_is_told_and_not_asked_of_docker() -> None:
    made = plan(cpus="8", memory="16g")

    assert "NanoCpus" not in made.build.host_config
    assert made.build.host_config["Memory"] == 16 * GIB
    assert made.warnings == (
        "memory = '16g' in config.toml is more than the host has: it limits nothing.",
        "cpus = '8' in config.toml is more than the host's 4: it limits nothing.",
    )


def test_isolation_is_for_windows() -> None:
    assert plan(isolation="default").warnings == ()
    assert plan(isolation="hyperv").warnings == (
        'isolation = "hyperv" in config.toml has no effect: it is for Windows.',
    )


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("/dev/kvm", ("/dev/kvm", "/dev/kvm", "rwm")),
        ("/dev/a:/dev/b", ("/dev/a", "/dev/b", "rwm")),
        ("/dev/a:/dev/b:r", ("/dev/a", "/dev/b", "r")),
    ],
)
def test_devices(text: str, parsed: tuple[str, str, str]) -> None:
    assert tuple(device(text).values()) == parsed


@pytest.mark.parametrize(
    ("text", "count", "ids", "capabilities"),
    [
        ("all", -1, None, ["gpu"]),
        ("2", 2, None, ["gpu"]),
        ("count=3", 3, None, ["gpu"]),
        ('"device=0,2"', 0, ["0", "2"], ["gpu"]),
        ('"device=GPU-3a,1",capabilities=utility', 0, ["GPU-3a", "1"], ["utility", "gpu"]),
        ("driver=nvidia", 1, None, ["gpu"]),
    ],
)
def test_gpus(text: str, count: int, ids: list[str] | None, capabilities: list[str]) -> None:
    (request,) = device_requests(text)

    assert (request["Count"], request.get("DeviceIDs"), request["Capabilities"]) == (count, ids, [capabilities])


def test_options_of_gpus() -> None:
    (request,) = device_requests('driver=nvidia,"options=a=1,b=2"')

    assert (request["Driver"], request["Options"]) == ("nvidia", {"a": "1", "b": "2"})


@pytest.mark.parametrize(("text", "soft", "hard"), [("1024", 1024, 1024), ("-1", -1, -1), ("0:5", 0, 5)])
def test_ulimits(text: str, soft: int, hard: int) -> None:
    assert ulimit("nofile", text) == {"Name": "nofile", "Soft": soft, "Hard": hard}


@pytest.mark.parametrize(
    ("docker", "said"),
    [
        ({"memory": "lots"}, "memory in config.toml: not a size: lots"),
        ({"cpus": "x"}, "cpus in config.toml"),
        ({"service_cpus": "x"}, "service_cpus in config.toml"),
        ({"devices": ("kvm",)}, "devices in config.toml"),
        ({"devices": ("/dev/a:/dev/b:rx",)}, "devices in config.toml"),
        ({"gpus": "some"}, "gpus in config.toml: 'some' is not a number of GPUs"),
        ({"gpus": "a=b"}, "gpus in config.toml: 'a' is not a word"),
        ({"ulimit": {"nofile": "many"}}, "ulimit in config.toml: 'many' is not a soft limit of nofile"),
        ({"ulimit": {"nofile": "1:"}}, "ulimit in config.toml: '' is not a hard limit of nofile"),
    ],
)
def test_nonsense_is_the_operators_mistake(docker: dict[str, Any], said: str) -> None:
    with pytest.raises(OperatorError, match=said):
        configs(**docker)


def test_no_key_is_taken_from_the_job() -> None:
    forger = job(Variable(key="memory", value="1b"), Variable(key="privileged", value="true"))

    assert plan(forger).build.host_config == LOGS
