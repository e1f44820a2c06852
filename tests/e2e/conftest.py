"""One GitLab and one runner for all tests of a process, and runners of their own for those that break theirs."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.coordinator import Coordinator
from tests.e2e.runner import GitLabRunner, Settings, driver_processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    StartRunner = Callable[..., GitLabRunner]


@pytest.fixture(scope="session")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of git repositories that the coordinator serves."""
    return tmp_path_factory.mktemp("repositories")


@pytest.fixture(scope="session")
def coordinator(repositories: Path) -> Iterator[Coordinator]:
    """GitLab."""
    server = Coordinator(repositories)
    yield server
    server.close()


@pytest.fixture(scope="session")
def shared_runner(coordinator: Coordinator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitLabRunner]:
    """A runner for jobs that leave it as it was: four at a time, its own state folder."""
    settings = Settings(tmp_path_factory.mktemp("runner"), coordinator.url, concurrency=4)
    runner = GitLabRunner(settings, coordinator).start()
    yield runner
    runner.stop()


@pytest.fixture
def runner(shared_runner: GitLabRunner) -> Iterator[GitLabRunner]:
    """The shared runner. After each test nothing of its jobs may be left."""
    shared_runner.records.clear()
    yield shared_runner
    shared_runner.assert_nothing_left()


@pytest.fixture
def start_runner(coordinator: Coordinator, tmp_path: Path) -> Iterator[StartRunner]:
    """A function that starts a runner of the test's own; its arguments are those of `Settings`."""
    runners: list[GitLabRunner] = []

    def start(**options: Any) -> GitLabRunner:
        settings = Settings(tmp_path / f"runner{len(runners)}", coordinator.url, **options)
        runners.append(GitLabRunner(settings, coordinator).start())
        return runners[-1]

    yield start
    for runner in runners:
        runner.stop()
    try:
        for runner in runners:
            runner.assert_nothing_left()
    finally:
        for process in [process for runner in runners for process in driver_processes(runner.settings)]:
            os.kill(process, signal.SIGKILL)


@pytest.fixture(scope="session")
def image() -> Callable[[str], str]:
    """A function that checks that a test image is there and returns its name."""

    def check(name: str) -> str:
        found = subprocess.run(["docker", "image", "inspect", name], capture_output=True)
        if found.returncode:
            pytest.fail(f"image {name} is missing: make it with `scripts/images helper tests`")
        return name

    return check
