"""Who takes part in which network, under which names."""

from __future__ import annotations

from typing import Any

import pytest

from executor.job.model import Image
from executor.plan.model import NetworkPlan, Plan
from tests.unit.job.builders import job
from tests.unit.plan.builders import plan

PREFIX = "runner-abcdef12-project-42-concurrent-0"


def with_service(**changes: Any) -> Plan:
    return plan(job(services=(Image(name="redis:7", alias="kv"),)), **changes)


def test_a_job_has_a_network_of_its_own() -> None:
    made = with_service(enable_ipv6=True, network_mtu=1400)

    assert isinstance(made.network, NetworkPlan)
    assert made.network.name == "runner-abcDEF_12-42-0-1001-ab12"
    assert (made.network.enable_ipv6, made.network.mtu) == (True, 1400)
    assert made.network.labels["io.virida.executor.job"] == "1001-ab12"
    assert made.helper.network_mode == made.services[0].container.network_mode == made.network.name
    assert made.services[0].container.network_aliases == ("redis", "kv")


def test_a_script_may_know_the_name_of_its_network() -> None:
    flag = {"FF_NETWORK_PER_BUILD": "true"}
    made = plan(environment=flag)

    assert made.network
    assert f"CI_BUILD_NETWORK_NAME={made.network.name}" in made.build.environment
    for other in (plan(), plan(environment=flag, network_mode="bridge")):
        assert not any(entry.startswith("CI_BUILD_NETWORK_NAME") for entry in other.build.environment)


def test_the_build_container_lives_in_the_helpers_network() -> None:
    options: dict[str, Any] = {"dns": ("9.9.9.9",), "dns_search": ("corp",), "extra_hosts": ("a:1.2.3.4",)}
    made = with_service(environment={"FF_NETWORK_PER_BUILD": "true"}, links=("x:y",), **options)

    assert made.build.network_mode == f"container:{made.helper.name}"
    assert made.helper.network_aliases == ("build", made.helper.name, made.build.name)
    assert (made.helper.hostname, made.build.hostname) == (PREFIX, "")
    owned = {"Dns": ["9.9.9.9"], "DnsSearch": ["corp"], "ExtraHosts": ["a:1.2.3.4"], "Links": ["x:y"]}
    assert owned.items() <= made.helper.host_config.items()
    assert not owned.keys() & made.build.host_config.keys()
    assert made.services[0].container.host_config["ExtraHosts"] == ["a:1.2.3.4"]


def test_links_lead_to_containers_of_dockers_own_bridge() -> None:
    made = with_service(links=("x:y",))

    assert made.network is None
    assert made.helper.network_mode == made.services[0].container.network_mode == "bridge"
    assert made.helper.host_config["Links"] == ["x:y"]
    assert with_service(links=("x:y",), network_mode="mine").helper.network_mode == "mine"


def test_two_tries_of_a_job_do_not_share_a_network() -> None:
    first, second = with_service(), with_service(host={"key": "1001-cd34"})

    assert first.network and second.network
    assert first.network.name != second.network.name


def test_settings_of_the_network_are_its_owners() -> None:
    made = plan(mac_address="92:d0:c6:0a:29:33", sysctls={"net.core.somaxconn": "1", "kernel.shmmax": "2"})

    assert (made.helper.mac_address, made.build.mac_address) == ("92:d0:c6:0a:29:33", "")
    assert made.helper.host_config["Sysctls"] == {"net.core.somaxconn": "1", "kernel.shmmax": "2"}
    assert made.build.host_config["Sysctls"] == {"kernel.shmmax": "2"}


def test_the_operators_hostname() -> None:
    assert plan(hostname="ci").helper.hostname == "ci"


def test_a_hostname_is_a_dns_label_of_at_most_63_characters() -> None:
    made = plan(job(project_id=10**40))

    assert len(made.helper.hostname) <= 63
    assert made.helper.hostname.startswith("runner-abcdef12-project-1000")


def test_an_existing_network_is_used_and_the_namespace_still_shared() -> None:
    made = with_service(network_mode="corp")

    assert made.network is None
    assert (made.helper.network_mode, made.build.network_mode) == ("corp", f"container:{made.helper.name}")
    assert made.services[0].container.network_mode == "corp"
    assert made.services[0].container.network_aliases == ("redis", "kv")


@pytest.mark.parametrize("mode", ["bridge", "default"])
def test_dockers_own_bridge_knows_no_names(mode: str) -> None:
    made = with_service(network_mode=mode)

    assert made.helper.network_aliases == made.services[0].container.network_aliases == ()
    assert made.warnings == ()


def test_a_job_without_a_network_is_told_that_it_cannot_reach_its_services() -> None:
    assert "gives services no address" in with_service(network_mode="none").warnings[0]
    assert plan(network_mode="none").warnings == ()


@pytest.mark.parametrize(
    ("mode", "hostname", "kept"),
    [
        ("host", PREFIX, {"Dns": ["9.9.9.9"], "ExtraHosts": ["a:1.2.3.4"], "Sysctls": {"kernel.shmmax": "2"}}),
        (
            "none",
            PREFIX,
            {
                "Dns": ["9.9.9.9"],
                "ExtraHosts": ["a:1.2.3.4"],
                "Sysctls": {"kernel.shmmax": "2", "net.core.somaxconn": "1"},
            },
        ),
        ("container:vpn", "", {"Sysctls": {"kernel.shmmax": "2"}}),
    ],
)
def test_modes_without_endpoints_leave_out_what_the_engine_refuses(
    mode: str, hostname: str, kept: dict[str, Any]
) -> None:
    made = with_service(
        network_mode=mode,
        dns=("9.9.9.9",),
        extra_hosts=("a:1.2.3.4",),
        links=("x:y",),
        mac_address="92:d0:c6:0a:29:33",
        sysctls={"net.core.somaxconn": "1", "kernel.shmmax": "2"},
    )

    for container in (made.helper, made.build):
        config = {key: value for key, value in container.host_config.items() if key != "LogConfig"}
        assert (container.network_mode, container.hostname, config) == (mode, hostname, kept)
        assert (container.network_aliases, container.mac_address) == ((), "")
    assert made.services[0].container.network_mode == mode
    assert made.services[0].container.network_aliases == ()


def test_runtimes_with_a_kernel_of_their_own_cannot_share_a_namespace() -> None:
    made = plan(runtime="kata", extra_hosts=("a:1.2.3.4",))

    assert made.network
    assert made.helper.network_mode == made.build.network_mode == made.network.name
    assert made.build.network_aliases == ("build", made.build.name)
    assert made.helper.network_aliases == (made.helper.name,)
    assert made.build.host_config["ExtraHosts"] == ["a:1.2.3.4"]
    assert made.build.hostname == PREFIX
