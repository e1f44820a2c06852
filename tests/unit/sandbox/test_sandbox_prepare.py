"""What the Engine's refusals mean for the people who can act."""

from __future__ import annotations

import pytest

from executor.engine.client import EngineError
from executor.errors import ExecutorError, JobError, OperatorError
from executor.plan.model import BUILD, HELPER, SERVICE, ContainerPlan, ImagePlan
from executor.sandbox.prepare import _explained


def container(role: str = BUILD) -> ContainerPlan:
    image = ImagePlan(name="app:1", pull_policies=("never",))
    return ContainerPlan(role=role, name="n", image=image, labels={}, user="node")


def explained(status: int, message: str, role: str = BUILD) -> ExecutorError:
    error = _explained(EngineError(status, message), container(role))
    assert isinstance(error, ExecutorError)
    return error


@pytest.mark.parametrize(
    "message",
    [
        'OCI runtime create failed: starting container process caused: exec: "sh": executable file not found in $PATH: '
        "unknown",
        'OCI runtime create failed: starting container process caused: exec: "/nope": stat /nope: no such file or '
        "directory: unknown",
        'OCI runtime create failed: starting container process caused: exec: "/e.sh": permission denied: unknown',
    ],
)
@pytest.mark.parametrize("status", [400, 404, 500])
def test_an_image_without_a_shell(status: int, message: str) -> None:
    error = explained(status, message)

    assert isinstance(error, JobError)
    assert error.what.startswith("IMAGE WITHOUT A SHELL: app:1 cannot run `sh`")
    assert message in error.what


def test_a_helper_image_without_a_shell_is_the_operators() -> None:
    error = explained(400, 'exec: "sh": executable file not found in $PATH', HELPER)

    assert isinstance(error, OperatorError)
    assert "helper" in error.what + error.fix


def test_a_service_whose_command_is_not_there() -> None:
    error = explained(400, 'starting container process caused: exec: "/nope": stat /nope: no such file', SERVICE)

    assert isinstance(error, JobError)
    assert error.what.startswith("SERVICE NOT STARTED: app:1 cannot run its command (starting container ")
    assert "/nope" in error.what


@pytest.mark.parametrize(
    "message",
    ["unable to find user node: no matching entries in passwd file", "linux spec user: unable to find user node"],
)
def test_an_unknown_user(message: str) -> None:
    error = explained(400, message)

    assert isinstance(error, JobError)
    assert error.what == "UNKNOWN USER: app:1 has no user 'node'."


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "invalid mount config for type bind: bind source path does not exist: /missing"),
        (409, "Conflict. The container name /x is already in use"),
        (500, "invalid CPU count"),
        (
            400,
            'rootfs_linux.go:76: mounting "/var/lib/virida-executor/jobs/1/ctl" to rootfs at "/.virida-executor" '
            "caused: no such file or directory: unknown",
        ),
    ],
)
def test_what_is_wrong_with_the_settings(status: int, message: str) -> None:
    error = explained(status, message)

    assert isinstance(error, OperatorError)
    assert error.what == f"The Docker Engine refuses the build container: {message}"


def test_anything_else_is_told_as_it_is() -> None:
    assert explained(500, "database is locked").what == "The Docker Engine said: database is locked"
