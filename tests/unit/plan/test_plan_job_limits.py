"""Limits that a job asks for with its variables, within what the operator allows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from executor.errors import JobError
from executor.job.model import Image, Variable
from executor.job.variables import job_variables
from executor.plan.model import Plan
from executor.plan.plan import make_plan
from executor.settings.model import DockerSettings, LimitsSettings, PolicySettings, RunnerSettings, Settings
from tests.unit.job.builders import job
from tests.unit.plan.builders import ADDED, HOST

MIB = 1024**2
GIB = 1024**3
NANOS = 10**9


def plan(
    asked: dict[str, str] | None = None,
    *,
    limits: LimitsSettings | None = None,
    policy: PolicySettings | None = None,
    host: dict[str, Any] | None = None,
    **docker: Any,
) -> Plan:
    variables = tuple(Variable(key=key, value=value) for key, value in (asked or {}).items())
    wanted = replace(job(services=(Image(name="redis:7"),)), variables=variables)
    settings = Settings(
        runner=RunnerSettings(docker=DockerSettings(**docker)),
        limits=limits or LimitsSettings(),
        policy=(policy,) if policy else (),
    )
    return make_plan(wanted, settings, replace(HOST, variables=job_variables(wanted, ADDED), **(host or {})))


def limits_of(made: Plan, name: str) -> tuple[int, int, int]:
    """Memory of helper, build and service."""
    containers = (made.helper, made.build, made.services[0].container)
    helper, build, service = (container.host_config.get(name, 0) for container in containers)
    return helper, build, service


def test_a_job_that_asks_for_nothing_gets_what_the_operator_says() -> None:
    made = plan(memory="2g", cpus="2", service_memory="1g")

    assert limits_of(made, "Memory") == (2 * GIB, 2 * GIB, GIB)
    assert made.warnings == ()


@pytest.mark.parametrize(
    ("text", "size"),
    [("512m", 512 * MIB), ("3Gi", 3 * GIB), ("1.5g", 1536 * MIB), ("2048Mi", 2 * GIB), (" 1 GiB ", GIB), ("1GB", GIB)],
)
def test_memory_is_written_as_docker_or_as_kubernetes_writes_it(text: str, size: int) -> None:
    made = plan({"JOB_MEMORY": text}, memory="4g", service_memory="4g")

    assert limits_of(made, "Memory") == (4 * GIB, size, 4 * GIB)


def test_cpus_and_services_have_their_own_variables() -> None:
    asked = {"JOB_CPUS": "1.5", "JOB_SERVICE_MEMORY": "256Mi", "JOB_SERVICE_CPUS": "0.5"}

    made = plan(asked)

    assert limits_of(made, "NanoCpus") == (0, 1_500_000_000, 500_000_000)
    assert limits_of(made, "Memory") == (0, 0, 256 * MIB)
    assert made.warnings == ()


def test_without_a_bound_a_job_cannot_raise_its_limit() -> None:
    made = plan({"JOB_MEMORY": "8g", "JOB_CPUS": "4"}, memory="2g", cpus="2")

    assert (limits_of(made, "Memory")[1], limits_of(made, "NanoCpus")[1]) == (2 * GIB, 2 * NANOS)
    assert made.warnings == (
        "JOB_MEMORY asks for 8.0 GiB; this runner gives 2.0 GiB at most, so that is what it is.",
        "JOB_CPUS asks for 4 CPUs; this runner gives 2 CPUs at most, so that is what it is.",
    )


def test_the_operators_bound_lets_a_job_raise_it() -> None:
    bound = LimitsSettings(max_memory="4g", max_cpus="3")

    assert limits_of(plan({"JOB_MEMORY": "3g"}, limits=bound, memory="2g"), "Memory")[1] == 3 * GIB
    assert limits_of(plan({"JOB_MEMORY": "9g"}, limits=bound, memory="2g"), "Memory")[1] == 4 * GIB
    assert limits_of(plan({"JOB_CPUS": "9"}, limits=bound, cpus="1"), "NanoCpus")[1] == 3 * NANOS
    assert limits_of(plan({"JOB_SERVICE_MEMORY": "9g"}, limits=bound), "Memory")[2] == 4 * GIB


def test_a_policy_bounds_it_further() -> None:
    policy = PolicySettings(name="guests", max_memory="1g", max_cpus="1")
    bound = LimitsSettings(max_memory="4g", max_cpus="4")

    made = plan({"JOB_MEMORY": "3g", "JOB_CPUS": "3", "JOB_SERVICE_MEMORY": "3g"}, limits=bound, policy=policy)

    assert limits_of(made, "Memory") == (GIB, GIB, GIB)
    assert limits_of(made, "NanoCpus")[1] == NANOS


def test_nobody_gets_more_cpus_than_there_are() -> None:
    assert limits_of(plan({"JOB_CPUS": "64"}), "NanoCpus")[1] == 4 * NANOS


def test_swap_and_reservation_never_contradict_the_limit() -> None:
    bound = LimitsSettings(max_memory="4g")
    operators: dict[str, Any] = {"memory": "2g", "memory_swap": "2560m", "memory_reservation": "1g"}

    more = plan({"JOB_MEMORY": "3g"}, limits=bound, **operators).build.host_config
    less = plan({"JOB_MEMORY": "512m"}, limits=bound, **operators).build.host_config

    assert (more["MemorySwap"], more["MemoryReservation"]) == (3 * GIB + 512 * MIB, GIB)
    assert (less["MemorySwap"], less["MemoryReservation"]) == (1024 * MIB, 512 * MIB)
    assert "MemorySwap" not in plan({"JOB_MEMORY": "1g"}, memory="2g").build.host_config


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"JOB_MEMORY": "lots"}, "'lots'"),
        ({"JOB_MEMORY": "-1"}, "'-1'"),
        ({"JOB_MEMORY": "4"}, "Is the unit missing?"),
        ({"JOB_MEMORY": "0"}, "too little"),
        ({"JOB_MEMORY": "1e999g"}, "'1e999g'"),
        ({"JOB_MEMORY": "nan"}, "'nan'"),
        ({"JOB_MEMORY": "i"}, "'i'"),
        ({"JOB_CPUS": "two"}, '"1.5"'),
        ({"JOB_CPUS": "0.001"}, "too little"),
        ({"JOB_CPUS": "9" * 60}, "no limit that a container can have"),
        ({"JOB_SERVICE_MEMORY": "1 x"}, "JOB_SERVICE_MEMORY"),
        ({"JOB_SERVICE_CPUS": "1/0"}, "JOB_SERVICE_CPUS"),
    ],
)
def test_what_is_no_limit_is_the_jobs_own_mistake(asked: dict[str, str], words: str) -> None:
    with pytest.raises(JobError) as raised:
        plan(asked)

    assert words in raised.value.one_line()


def test_an_empty_variable_asks_for_nothing() -> None:
    assert limits_of(plan({"JOB_MEMORY": " ", "JOB_CPUS": ""}, memory="2g"), "Memory")[1] == 2 * GIB


def test_after_a_kill_the_job_gets_what_it_needs_within_the_bound() -> None:
    bound = LimitsSettings(max_memory="4g", auto=True)

    made = plan(limits=bound, host={"needed_memory": 3 * GIB}, memory="2g", memory_swap="2g")

    assert limits_of(made, "Memory")[:2] == (2 * GIB, 3 * GIB)
    assert made.build.host_config["MemorySwap"] == 3 * GIB
    assert made.warnings == ("The job gets 3.0 GiB of memory instead of 2.0 GiB: an earlier run was killed for it.",)


def test_after_a_kill_the_bound_is_told_where_the_job_needs_more() -> None:
    bound = LimitsSettings(max_memory="4g", auto=True)

    made = plan(limits=bound, host={"needed_memory": 9 * GIB}, memory="2g")

    assert limits_of(made, "Memory")[1] == 4 * GIB
    assert made.warnings == (
        "The job gets 4.0 GiB of memory instead of 2.0 GiB: an earlier run was killed for it."
        " 4.0 GiB is the most that this runner gives.",
    )


def test_after_a_kill_it_counts_for_a_job_that_asked_for_less_too() -> None:
    bound = LimitsSettings(max_memory="4g", auto=True)

    made = plan({"JOB_MEMORY": "1g"}, limits=bound, host={"needed_memory": 1536 * MIB}, memory="2g")

    assert limits_of(made, "Memory")[1] == 1536 * MIB


def test_a_need_that_is_met_changes_nothing() -> None:
    assert limits_of(plan(host={"needed_memory": GIB}, memory="2g"), "Memory")[1] == 2 * GIB
    assert plan(host={"needed_memory": GIB}, memory="2g").warnings == ()
    assert limits_of(plan(host={"needed_memory": GIB}), "Memory")[1] == 0


def test_at_the_bound_a_kill_is_told_and_not_answered() -> None:
    made = plan(host={"needed_memory": 3 * GIB}, memory="2g")

    assert limits_of(made, "Memory")[1] == 2 * GIB
    assert made.warnings == (
        "An earlier run was killed for its memory, and 2.0 GiB is the most that this runner gives.",
    )
