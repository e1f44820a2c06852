"""Private images under a real runner: what it passes on of logins, and how often it tries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job, unique_number, variable
from tests.engine.registry import PASSWORD, Registry, auth_config, available

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import StartRunner
    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with a password."""
    if not available():
        pytest.skip("no docker-registry on PATH: install the package `docker-registry` to pull for real")
    server = Registry(tmp_path_factory.mktemp("registry"))
    yield server
    server.stop()


def test_a_login_of_the_runners_environment(start_runner: StartRunner, registry: Registry) -> None:
    image = registry.push(f"team{unique_number()}/app:1")
    entry = f"DOCKER_AUTH_CONFIG={auth_config(PASSWORD, registry.address)}"
    record = start_runner(options=f"environment = [{json.dumps(entry)}]").run(Job(script=["echo pulled"], image=image))
    assert record.outcome == ("success", None, None), record.trace
    assert "Authenticating with credentials from $DOCKER_AUTH_CONFIG of the runner" in record.trace
    assert "\npulled\n" in record.section("step_script")


@pytest.mark.parametrize("file", [False, True], ids=["variable", "file variable"])
def test_a_login_of_the_job(runner: GitLabRunner, registry: Registry, file: bool) -> None:
    image = registry.push(f"team{unique_number()}/app:1")
    login = variable("DOCKER_AUTH_CONFIG", auth_config(PASSWORD, registry.address), file=file)
    record = runner.run(Job(script=["echo pulled"], image=image, services=[image], variables=[login]))
    assert record.outcome == ("success", None, None), record.trace
    assert "Authenticating with credentials from $DOCKER_AUTH_CONFIG\n" in record.trace


def test_a_wrong_password_is_tried_once(runner: GitLabRunner, registry: Registry) -> None:
    image = registry.push(f"team{unique_number()}/app:1")
    login = variable("DOCKER_AUTH_CONFIG", auth_config("wrong", registry.address), masked=True)
    record = runner.run(Job(script=["echo never"], image=image, variables=[login]))
    assert record.outcome[:2] == ("failed", "script_failure"), record.trace
    assert "unauthorized" in record.trace
    assert record.trace.count("Pulling") == 1
    assert "Will be retried" not in record.trace
