"""Who scripts run as, and what starts before them."""

from __future__ import annotations

from typing import Any

import pytest

from executor.errors import JobError, OperatorError
from executor.job.model import Image, Variable
from executor.plan.model import Plan
from tests.unit.job.builders import job
from tests.unit.plan.builders import plan


def with_user(name: str, /, **docker: Any) -> Plan:
    return plan(job(Variable(key="UID", value="1000"), image=Image(name="ruby:3", user=name)), **docker)


@pytest.mark.parametrize(
    ("of_job", "of_runner", "allowed", "user"),
    [
        ("", "", (), ""),
        ("1000:1000", "", (), "1000:1000"),
        ("$UID:0", "", (), "1000:0"),
        ("node", "", ("node", "root"), "node"),
        ("", "", ("node",), ""),
        ("node", "ci", (), "ci"),
        ("", "ci", (), "ci"),
        ("", "ci", ("ci",), "ci"),
    ],
)
def test_user(of_job: str, of_runner: str, allowed: tuple[str, ...], user: str) -> None:
    made = with_user(of_job, user=of_runner, allowed_users=allowed)

    assert made.build.user == user
    assert made.helper.user == ""


def test_a_user_that_is_not_allowed() -> None:
    with pytest.raises(JobError, match="'root' is not allowed"):
        with_user("root", allowed_users=("node",))
    with pytest.raises(OperatorError, match="'ci' is not allowed"):
        with_user("", user="ci", allowed_users=("node",))


@pytest.mark.parametrize("user", ["-x", "a b", "a:b:c", "a\n", ":0", "$(id)", "a/../b"])
def test_hostile_users(user: str) -> None:
    with pytest.raises(JobError, match="is not of the form user:group"):
        with_user(user)


@pytest.mark.parametrize(
    ("written", "planned"),
    [(None, None), ((), None), (("",), ()), (("/bin/sh", "-c"), ("/bin/sh", "-c")), (("$HOME",), ("$HOME",))],
)
def test_entrypoint(written: tuple[str, ...] | None, planned: tuple[str, ...] | None) -> None:
    assert plan(job(image=Image(name="ruby:3", entrypoint=written))).build.entrypoint == planned


def test_entrypoints_may_be_forbidden() -> None:
    request = job(
        image=Image(name="ruby:3", entrypoint=("",)),
        services=(Image(name="redis:7", entrypoint=("sh",)), Image(name="plain:1")),
    )
    made = plan(request, disable_entrypoint_overwrite=True)

    assert made.build.entrypoint is None
    assert [service.container.entrypoint for service in made.services] == [None, None]
    assert made.warnings == (
        "`entrypoint` of the image is ignored: this runner does not allow it.",
        "`entrypoint` of the service redis:7 is ignored: this runner does not allow it.",
    )


def test_a_shell_that_the_containers_do_not_run() -> None:
    with pytest.raises(OperatorError, match='shell = "pwsh"'):
        plan(runner={"shell": "pwsh"})
