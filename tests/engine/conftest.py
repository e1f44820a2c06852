"""Containers for tests, with the images that they are made of."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from executor.engine.client import Engine
from executor.engine.endpoint import find_endpoint
from executor.settings.model import DockerSettings
from tests.engine.containers import LABEL, BuildContainer
from tests.engine.jobs import Driver
from tests.engine.registry import Registry, available

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.jobs import Job

    Start = Callable[..., BuildContainer]
    StartJob = Callable[..., Driver]

BASH = "debian:12"
BUSYBOX = "virida-executor/test-busybox"
KINDS = {
    "bash": BASH,
    "busybox": BUSYBOX,
    "busybox in a folder of its own": "virida-executor/test-busybox-dir",
    "not root": "virida-executor/test-nonroot",
    "entrypoint": "virida-executor/test-entrypoint",
}


@pytest.fixture(scope="session", autouse=True)
def images() -> None:
    """Without these images no test here can say anything."""
    for name in (*KINDS.values(), "virida-executor/test-noshell", "virida-executor/helper"):
        if subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False).returncode:
            pytest.fail(f"image {name} is missing: make it with `scripts/images helper tests`")


@pytest.fixture(scope="session", autouse=True)
def no_leftovers() -> None:
    """Containers of earlier tests whose process was killed before it could take them away."""
    engine = Engine(find_endpoint(DockerSettings()))
    for container in engine.labelled("containers", LABEL).value():
        if not os.path.exists(f"/proc/{container['Labels'][LABEL]}"):
            engine.remove_container(container["Id"]).settle()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts a build container; its arguments are those of `BuildContainer`."""
    started: list[BuildContainer] = []

    def make(image: str = BASH, **options: Any) -> BuildContainer:
        folder = tmp_path / f"container{len(started)}"
        started.append(BuildContainer(folder, image, **options))
        return started[-1]

    yield make
    for container in started:
        container.remove()


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def every_kind(request: pytest.FixtureRequest, start: Start) -> BuildContainer:
    """A build container of each kind of image."""
    return start(request.param)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with a password, of this test process alone."""
    if not available():
        pytest.skip("no docker-registry on PATH: install the package `docker-registry` to pull for real")
    server = Registry(tmp_path_factory.mktemp("registry"))
    yield server
    server.stop()


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[StartJob]:
    """A function that makes a driver for a job; its arguments are those of `Driver`. Each job is ended."""
    made: list[Driver] = []

    def make(job: Job, **options: Any) -> Driver:
        made.append(Driver(tmp_path / f"job{len(made)}", job, **options))
        return made[-1]

    yield make
    for one in made:
        one.end()
