"""Services: who starts, under which names, with which variables, and how long is waited for them."""

from __future__ import annotations

from typing import Any

import pytest

from executor.errors import JobError
from executor.job.model import Image, Variable
from executor.plan.environment import DISPOSABLE
from executor.plan.model import Plan
from executor.settings.model import ServiceSettings
from tests.unit.job.builders import job
from tests.unit.plan.builders import ADDED, plan

SECRET = "correct-horse-battery"


def services(*images: Image, variables: tuple[Variable, ...] = (), **docker: Any) -> Plan:
    return plan(job(*variables, services=images), **docker)


def environment(made: Plan, index: int = 0) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in made.services[index].container.environment)


def aliases(made: Plan) -> list[tuple[str, ...]]:
    return [service.aliases for service in made.services]


@pytest.mark.parametrize(
    ("name", "alias", "names"),
    [
        ("redis:7", "", ("redis",)),
        ("redis", "", ("redis",)),
        ("group/db:1", "", ("group__db", "group-db")),
        ("registry.example:5000/group/db:1", "", ("registry.example__group__db", "registry.example-group-db")),
        ("redis:7", "kv", ("redis", "kv")),
        ("redis:7", "kv, cache  session", ("redis", "kv", "cache", "session")),
        ("redis:7", "kv,kv,redis", ("redis", "kv")),
    ],
)
def test_names(name: str, alias: str, names: tuple[str, ...]) -> None:
    made = services(Image(name=name, alias=alias))

    assert aliases(made) == [names]
    assert made.warnings == ()


def test_the_operators_services_come_first() -> None:
    operators = ServiceSettings(
        name="postgres:$V", alias="db", entrypoint=("e",), command=("c",), environment=("A=1=2", "B=$V")
    )
    made = services(Image(name="redis:7"), variables=(Variable(key="V", value="16"),), services=(operators,))

    first, second = (service.container for service in made.services)
    assert (first.image.name, second.image.name) == ("postgres:16", "redis:7")
    assert (first.entrypoint, first.command) == (("e",), ("c",))
    assert environment(made)["A"] == "1=2"
    assert environment(made)["B"] == "16"


def test_a_taken_name_is_left_to_who_came_first() -> None:
    made = services(Image(name="redis:7", alias="kv"), Image(name="redis:6", alias="KV second"))

    assert aliases(made) == [("redis", "kv"), ("second",)]
    assert made.warnings == (
        "Service redis:6 cannot have the alias 'redis': it is taken.",
        "Service redis:6 cannot have the alias 'KV': it is taken.",
    )


def test_a_service_whose_names_are_all_taken_is_told_not_to_start() -> None:
    made = services(Image(name="redis:7"), Image(name="redis:6"), Image(name="postgres:16"))

    assert aliases(made) == [("redis",), ("postgres",)]
    assert made.warnings[-1] == (
        "Service redis:6 is not started: other services have all its names. Give it an `alias`."
    )


@pytest.mark.parametrize("alias", ["--privileged", "x;touch", "$$(touch", "db:host", "-", "a_", "é", "a" * 300, "../x"])
def test_hostile_aliases_are_dropped_with_a_warning(alias: str) -> None:
    made = services(Image(name="redis:7", alias=f"{alias} good"))

    assert aliases(made) == [("redis", "good")]
    assert "is not a host name" in made.warnings[0]


def test_nobody_takes_the_name_of_the_build_container() -> None:
    made = services(Image(name="redis:7", alias="build"))

    assert aliases(made) == [("redis",)]


@pytest.mark.parametrize(("limit", "fits"), [(None, True), (-1, True), (2, True), (1, False), (0, False)])
def test_services_limit_counts_the_operators_too(limit: int | None, fits: bool) -> None:
    keys: dict[str, Any] = {"services_limit": limit, "services": (ServiceSettings(name="postgres:16"),)}

    if fits:
        assert len(services(Image(name="redis:7"), **keys).services) == 2
    else:
        with pytest.raises(JobError, match=f"Too many services requested: 2, only {limit} allowed"):
            services(Image(name="redis:7"), **keys)


def test_allowed_services() -> None:
    operators = (ServiceSettings(name="postgres:16"),)

    assert services(Image(name="redis:7"), allowed_services=("redis:*",)).services
    assert services(Image(name="postgres:16", alias="x"), allowed_services=("redis:*",), services=operators).services
    with pytest.raises(JobError, match=r"The service 'postgres:15' is not allowed"):
        services(Image(name="postgres:15"), allowed_services=("redis:*",), services=operators)


@pytest.mark.parametrize("name", ["--privileged", "Redis", "a b"])
def test_hostile_names(name: str) -> None:
    with pytest.raises(JobError, match="is not the name of an image"):
        services(Image(name=name))


def test_a_service_without_a_name() -> None:
    with pytest.raises(JobError, match="Service 1 names no image"):
        services(Image(name="$UNKNOWN"))


def test_options_of_a_service() -> None:
    redis = Image(
        name="redis:7",
        entrypoint=("",),
        command=("--port", "$PORT"),
        pull_policy=("never",),
        platform="linux/$ARCH",
        user="$ID",
    )
    variables = tuple(Variable(key=key, value=value) for key, value in (("ARCH", "amd64"), ("ID", "9"), ("PORT", "1")))
    made = services(redis, variables=variables, pull_policy=("always", "never")).services[0].container

    assert (made.entrypoint, made.command, made.user) == ((), ("--port", "$PORT"), "9")
    assert (made.image.pull_policies, made.image.platform) == (("never",), "linux/amd64")


def test_services_see_public_and_internal_variables_only() -> None:
    variables = (
        Variable(key="PUBLIC", value="p", public=True),
        Variable(key="PRIVATE", value="x"),
        Variable(key="MASKED", value=SECRET, public=True, masked=True),
        Variable(key="SHORT", value="pin", public=True, masked=True),
        Variable(key="LEAK", value="https://user:$MASKED@host", public=True),
        Variable(key="CONFIG", value="content", public=True, file=True),
        Variable(key="CI_JOB_STATUS", value="forged"),
    )
    made = services(
        Image(name="redis:7"),
        variables=variables,
        environment={
            "CI_JOB_STATUS": "forged",
            "CI_SHARED_ENVIRONMENT": "true",
            "FF_X": "true",
            "VAULT_SECRET": "resolved",
            "DOCKER_DRIVER": "overlay2",
            "DOCKER_AUTH_CONFIG": "{}",
        },
        runner={"environment": ("DOCKER_DRIVER=overlay2", "DOCKER_AUTH_CONFIG={}")},
    )

    assert environment(made) == ADDED | DISPOSABLE | {
        "FF_X": "true",
        "DOCKER_DRIVER": "overlay2",
        "PUBLIC": "p",
        "CONFIG": "/builds/group/app.tmp/CONFIG",
    }
    shown = " ".join((*made.build.environment, *made.helper.environment))
    assert not any(value in shown for value in (SECRET, "PUBLIC", "resolved", "content"))


def test_a_services_own_variables_are_expanded_against_the_jobs_and_its_own() -> None:
    own = (
        Variable(key="WORD", value="service"),
        Variable(key="GREETING", value="hello $WORD from $PLACE"),
        Variable(key="RAW", value="$WORD", raw=True),
        Variable(key="PASSWORD", value="$MASKED"),
        Variable(key="PUBLIC", value="mine"),
        Variable(key="bad=name", value="x"),
    )
    variables = (
        Variable(key="WORD", value="job"),
        Variable(key="PLACE", value="here"),
        Variable(key="MASKED", value=SECRET, masked=True),
        Variable(key="PUBLIC", value="jobs", public=True),
    )
    made = services(Image(name="redis:7", variables=own), Image(name="db:1"), variables=variables)

    assert environment(made) == ADDED | DISPOSABLE | {
        "WORD": "service",
        "GREETING": "hello service from here",
        "RAW": "$WORD",
        "PASSWORD": SECRET,
        "PUBLIC": "mine",
    }
    assert environment(made, 1)["PUBLIC"] == "jobs"
    assert made.warnings == ("A variable of a service has no usable name ('bad=name') and is left out.",)


def test_what_a_job_says_of_its_environment_stands() -> None:
    """The docker executor's own word comes before the job's variables, too."""
    mine = Variable(key="CI_DISPOSABLE_ENVIRONMENT", value="mine", public=True)

    assert environment(services(Image(name="redis:7"), variables=(mine,)))["CI_DISPOSABLE_ENVIRONMENT"] == "mine"


@pytest.mark.parametrize(("setting", "seconds"), [(0, 30), (5, 5), (-1, -1)])
def test_time_to_wait(setting: int, seconds: int) -> None:
    assert services(Image(name="redis:7"), wait_for_services_timeout=setting).services[0].wait_seconds == seconds


@pytest.mark.parametrize(
    ("key", "value", "port"),
    [
        ("HEALTHCHECK_TCP_PORT", "6379", 6379),
        ("healthcheck_tcp_port", "1", 1),
        ("OTHER", "1", None),
        ("HEALTHCHECK_TCP_PORT", "", None),
    ],
)
def test_port_to_check(key: str, value: str, port: int | None) -> None:
    made = services(Image(name="redis:7", variables=(Variable(key=key, value=value),)))

    assert made.services[0].wait_port == port


@pytest.mark.parametrize("value", ["http", "0", "65536", "-1", "6379/tcp", "٣"])
def test_a_port_that_is_none(value: str) -> None:
    made = services(Image(name="redis:7", variables=(Variable(key="HEALTHCHECK_TCP_PORT", value=value),)))

    assert made.services[0].wait_port is None
    assert made.warnings == (
        f"HEALTHCHECK_TCP_PORT of service redis:7 is {value!r}, which is not a port: its exposed ports are tried.",
    )


def test_no_value_of_a_secret_store_and_no_registry_login_reaches_a_service() -> None:
    variables = (
        Variable(key="LEAK", value="https://$VAULT@host", public=True),
        Variable(key="DOCKER_AUTH_CONFIG", value='{"auths": {}}', public=True),
    )
    wanted = job(*variables, services=(Image(name="redis:7"),), secret_names=("VAULT",))
    made = plan(wanted, environment={"VAULT": SECRET, "LEAK": f"https://{SECRET}@host"})

    assert environment(made) == ADDED | DISPOSABLE
