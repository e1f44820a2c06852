"""Names of services where the network knows none."""

from __future__ import annotations

from typing import Any

import pytest

from executor.plan.model import ContainerPlan, ImagePlan, Plan, ServicePlan
from executor.sandbox.service_names import needs_hosts_files, with_hosts
from executor.sandbox.services import Waiting

IMAGE = ImagePlan(name="debian:12", pull_policies=("never",))


def container(role: str, mode: str, **host_config: Any) -> ContainerPlan:
    return ContainerPlan(role=role, name=role, image=IMAGE, labels={}, network_mode=mode, host_config=host_config)


def plan(mode: str, build_mode: str = "", services: int = 1) -> Plan:
    return Plan(
        key="1-a",
        network=None,
        helper=container("helper", mode, ExtraHosts=["friend:192.0.2.1"], Memory=5),
        build=container("build", build_mode or mode),
        services=(ServicePlan(container=container("service", mode), aliases=("db", "postgres")),) * services,
        builds_host_dir="/b",
        reusable_builds=False,
    )


@pytest.mark.parametrize(
    ("mode", "needed"),
    [("bridge", True), ("default", True), ("host", True), ("none", False), ("container:x", False), ("own", False)],
)
def test_which_networks_need_them(mode: str, needed: bool) -> None:
    assert needs_hosts_files(plan(mode)) is needed
    assert not needs_hosts_files(plan(mode, services=0))


def waiting(made: Plan, address: str) -> list[Waiting]:
    return [Waiting(service=made.services[0], container="c", ports=(), address=address)]


def test_names_join_those_of_the_operator_and_nothing_else_changes() -> None:
    made = plan("bridge", "container:helper")
    named = with_hosts(made, waiting(made, "172.17.0.5"))

    assert named.helper.host_config == {
        "ExtraHosts": ["friend:192.0.2.1", "db:172.17.0.5", "postgres:172.17.0.5"],
        "Memory": 5,
    }
    assert named.build is made.build
    assert made.helper.host_config["ExtraHosts"] == ["friend:192.0.2.1"]


def test_a_build_container_with_a_hosts_file_of_its_own_gets_them_too() -> None:
    made = plan("host")

    assert with_hosts(made, waiting(made, "127.0.0.1")).build.host_config["ExtraHosts"][0] == "db:127.0.0.1"


def test_a_service_without_an_address_has_no_name() -> None:
    made = plan("bridge")

    assert with_hosts(made, waiting(made, "")).helper.host_config["ExtraHosts"] == ["friend:192.0.2.1"]
