"""config.toml.example is what an operator copies: it must load, and fall into none of the runner's traps."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from executor.settings.load import load_settings

EXAMPLE = Path(__file__).parents[3] / "config.toml.example"
PHASES = ("config", "prepare", "run", "cleanup")


@pytest.fixture
def runner() -> dict[str, Any]:
    runner: dict[str, Any] = tomllib.loads(EXAMPLE.read_text())["runners"][0]
    return runner


def test_it_loads_without_a_warning() -> None:
    settings = load_settings(config=str(EXAMPLE))

    assert settings.warnings == ()
    assert settings.runner.name == "virida-gitlab-runner"
    assert settings.runner.executor == "custom"
    assert (settings.runner.builds_dir, settings.runner.cache_dir) == ("/builds", "/cache")
    assert settings.docker.pull_policy == ("always", "if-not-present")
    assert settings.docker.memory == "4g"
    assert settings.docker.volumes == ("/cache",)
    assert not settings.docker.privileged


@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_is_called_with_the_file_and_the_name(runner: dict[str, Any], phase: str) -> None:
    assert runner["custom"][f"{phase}_exec"] == "/usr/local/bin/executor"
    named = ["--config", "/etc/gitlab-runner/config.toml", "--runner", runner["name"]]
    assert runner["custom"][f"{phase}_args"] == [phase, *named]


def test_cleanup_cannot_meet_a_running_script(runner: dict[str, Any]) -> None:
    """The runner waits 300 seconds for a canceled script before it calls cleanup; its own default is 600."""
    custom = runner["custom"]
    assert (custom["graceful_kill_timeout"], custom["force_kill_timeout"]) == (30, 10)


def test_the_docker_executors_defaults_are_kept(runner: dict[str, Any]) -> None:
    """What works by itself there, and only on request with the custom executor."""
    assert runner["custom_build_dir"]["enabled"] is True
    assert runner["safe_directory_checkout"] is True
    assert runner["shell"] == "bash"


def test_its_token_is_no_token(runner: dict[str, Any]) -> None:
    assert runner["token"] == "REPLACE_WITH_RUNNER_TOKEN"


@pytest.mark.runner
def test_gitlab_runner_reads_it_too(tmp_path: Path) -> None:
    """In a copy: the runner writes its system id beside the file that it reads."""
    config = shutil.copy(EXAMPLE, tmp_path / "config.toml")

    listing = subprocess.run(
        ["gitlab-runner", "list", "-c", config], capture_output=True, text=True, timeout=60, check=True
    )

    output = listing.stdout + listing.stderr
    assert "WARNING" not in output
    assert "virida-gitlab-runner" in output
