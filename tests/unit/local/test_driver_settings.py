"""The settings files of a run, read back by the driver's own loader."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from executor.errors import OperatorError, SystemFailure
from executor.pipeline.local import driver_settings
from executor.pipeline.local.driver_settings import runner_environment, user_settings, write_driver_settings
from executor.pipeline.local.run_folder import create_run_folder, remove_run_folder
from executor.settings import load
from executor.settings.load import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from executor.pipeline.local.run_folder import RunFolder

CONFIG = """
concurrent = 4
[[runners]]
  name = "host"
  token = "glrt-verysecrettoken"
  executor = "custom"
  environment = ["A=1", "B=x=y", "broken"]
  [runners.docker]
    image = "debian:12"
    memory = "2g"
    volumes = ["/data:/data:ro"]
    pull_policy = ["always", "if-not-present"]
    sysctls = { "net.core.somaxconn" = "1024" }
    [[runners.docker.services]]
      name = "redis:7"
      alias = "cache"
"""
EXECUTOR = """
[helper]
image = "helper:1"
volumes = ["/ca:/ca:ro"]
[storage]
state_dir = "/srv/state"
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run's folder."""
    return create_run_folder(tmp_path / "repo", 1)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The user's files."""
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "executor.toml").write_text(EXECUTOR)
    return tmp_path / "config.toml"


def test_the_driver_reads_what_the_user_said(folder: RunFolder, config: Path) -> None:
    settings = user_settings(str(config), None)
    write_driver_settings(settings, folder)
    read = load_settings(config=str(folder.config_file))
    assert read.warnings == ()
    assert read.docker == settings.docker
    assert read.storage == settings.storage
    assert read.runner.environment == settings.runner.environment
    assert read.runner.executor == "custom"
    assert read.helper.image == "helper:1"


def test_the_helper_gets_the_mounts_of_the_run(folder: RunFolder, config: Path) -> None:
    write_driver_settings(user_settings(str(config), None), folder)
    assert load_settings(config=str(folder.config_file)).helper.volumes == (
        "/ca:/ca:ro",
        f"{folder.path}/sources:/executor/sources:ro",
        f"{folder.path}/exchange:/executor/exchange",
    )


def test_the_token_is_not_copied_and_the_files_are_private(folder: RunFolder, config: Path) -> None:
    write_driver_settings(user_settings(str(config), None), folder)
    for name in ("config.toml", "executor.toml"):
        path = folder.path / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "verysecret" not in path.read_text()
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_without_any_file_local_images_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "SYSTEM_FOLDER", str(tmp_path / "none"))
    monkeypatch.setattr(load, "USER_FOLDER", str(tmp_path / "none"))
    assert user_settings(None, None).docker.pull_policy == driver_settings.LOCAL_PULL_POLICY


def test_a_file_without_a_pull_policy_keeps_the_docker_executors_default(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[[runners]]\nexecutor = "custom"\n')
    assert user_settings(str(tmp_path / "config.toml"), None).docker.pull_policy == ()


def test_the_runners_environment_are_variables(config: Path) -> None:
    settings = user_settings(str(config), None)
    assert runner_environment(settings.runner) == [("A", "1"), ("B", "x=y")]


class TestRunFolder:
    """`.executor/`."""

    def test_git_sees_nothing_of_it(self, folder: RunFolder) -> None:
        assert (folder.base / ".gitignore").read_text() == "*\n"

    def test_it_goes_with_the_run_but_logs_and_artifacts_stay(self, folder: RunFolder) -> None:
        folder.log("a").write_text("log")
        folder.exchange(5)
        remove_run_folder(folder)
        assert sorted(os.listdir(folder.base)) == [".gitignore", "artifacts", "logs", "runs"]
        assert os.listdir(folder.base / "runs") == []
        assert folder.log("a").read_text() == "log"

    def test_containers_of_any_user_can_write_to_the_exchange(self, folder: RunFolder) -> None:
        assert stat.S_IMODE(folder.exchange(5).stat().st_mode) == 0o777

    def test_what_a_killed_run_left_goes_with_the_next_one(self, folder: RunFolder) -> None:
        folder.lock.close()
        create_run_folder(folder.base.parent, 2)
        assert os.listdir(folder.base / "runs") == ["2"]

    def test_a_run_that_lives_is_left_alone(self, folder: RunFolder) -> None:
        create_run_folder(folder.base.parent, 2)
        assert sorted(os.listdir(folder.base / "runs")) == ["1", "2"]

    def test_a_colon_in_the_path_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(OperatorError, match="has a colon in it"):
            create_run_folder(tmp_path / "a:b", 1)

    def test_a_place_that_cannot_be_written_is_told(self, tmp_path: Path) -> None:
        (tmp_path / ".executor").write_text("in the way")
        with pytest.raises(OperatorError, match="cannot be written"):
            create_run_folder(tmp_path, 1)

    def test_what_cannot_be_removed_is_named(self, folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("os.rmdir", refuse)
        with pytest.raises(SystemFailure, match="cannot be removed"):
            remove_run_folder(folder)
