"""Faults of the host: told in words, blamed on the system, tried again by the runner."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job
from tests.e2e.runner import LAUNCHER, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import StartRunner

_WRONG = {
    "a size that is none": ('memory = "plenty"', "memory"),
    "a pull policy that does not exist": ('allowed_pull_policies = ["sometimes"]', "allowed_pull_policies"),
    "a number in place of a list": ("volumes = 5", "volumes"),
}


@pytest.mark.runner
def test_a_wrong_setting_fails_jobs_as_a_system_failure_that_names_it(start_runner: StartRunner) -> None:
    record = start_runner(docker_options='    memory = "plenty"').run(Job(script=["echo never"]))
    assert record.outcome == ("failed", "runner_system_failure", None)
    assert "config.toml" in record.trace
    assert "memory" in record.trace
    assert "\nnever\n" not in record.trace
    assert "Traceback" not in record.trace


@pytest.mark.parametrize(("line", "named"), _WRONG.values(), ids=_WRONG.keys())
def test_a_wrong_setting_ends_config_with_file_line_and_key(tmp_path: Path, line: str, named: str) -> None:
    settings = Settings(tmp_path, "http://gitlab.invalid", docker_options=f"    {line}")
    ended = _config(settings)
    number = settings.config_file.read_text().splitlines().index(f"    {line}") + 1
    assert ended.returncode == 2
    assert ended.stdout == b""
    told = ended.stderr.decode()
    assert "config.toml" in told
    assert f"line {number}" in told
    assert named in told
    assert "Traceback" not in told


def test_a_file_that_is_not_toml_ends_config_with_the_line(tmp_path: Path) -> None:
    settings = Settings(tmp_path, "http://gitlab.invalid", docker_options="    memory = 2g")
    number = settings.config_file.read_text().splitlines().index("    memory = 2g") + 1
    ended = _config(settings)
    assert ended.returncode == 2
    assert ended.stdout == b""
    assert f"line {number}" in ended.stderr.decode()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = Settings(tmp_path, "http://gitlab.invalid")
    settings.config_file.unlink()
    ended = _config(settings)
    assert ended.returncode == 2
    assert str(settings.config_file) in ended.stderr.decode()


@pytest.mark.runner
def test_an_engine_that_does_not_answer_is_a_system_failure_that_says_so(start_runner: StartRunner) -> None:
    runner = start_runner(docker_options='    host = "unix:///nowhere/docker.sock"')
    record = runner.run(Job(script=["echo never"]))
    assert record.outcome == ("failed", "runner_system_failure", None)
    assert "/nowhere/docker.sock" in record.trace
    assert "Traceback" not in record.trace
    # Nobody can tell what is left, so the state waits for a sweep that finds the engine.
    shutil.rmtree(runner.settings.state_dir / "jobs")


def _config(settings: Settings) -> subprocess.CompletedProcess[bytes]:
    """`executor config` as the runner calls it, but for the job."""
    response = settings.folder / "response.json"
    response.write_text(json.dumps(Job(script=["echo never"]).response("gitlab.invalid")))
    environment = {
        "PATH": "/usr/bin:/bin",
        "TMPDIR": str(settings.folder),
        "JOB_RESPONSE_FILE": str(response),
        "BUILD_EXIT_CODE_FILE": str(settings.folder / "build_exit_code"),
        "CUSTOM_ENV_CI_RUNNER_SHORT_TOKEN": settings.short_token,
    }
    return subprocess.run(
        [LAUNCHER, "config", "--config", settings.config_file],
        env=environment,
        cwd=settings.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
    )
