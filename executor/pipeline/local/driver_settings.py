"""The config.toml and executor.toml that the driver gets: the user's own settings and this run's mounts."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from executor.settings.load import load_settings
from executor.settings.model import CacheSettings, ReportSettings, RunnerSettings, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.pipeline.local.run_folder import RunFolder

LOCAL_PULL_POLICY = ("if-not-present",)


def user_settings(config: str | None, runner: str | None) -> Settings:
    """The settings of `--config` and `--runner`, or of the default places.

    Where there is no config.toml at all, images that are here are used as they are.
    """
    settings = load_settings(config=config, runner=runner)
    if settings.config_file:
        return settings
    docker = dataclasses.replace(settings.docker, pull_policy=LOCAL_PULL_POLICY)
    return dataclasses.replace(settings, runner=dataclasses.replace(settings.runner, docker=docker))


def write_driver_settings(settings: Settings, folder: RunFolder) -> None:
    """Write both files, readable for the user alone."""
    runner = _table(dataclasses.replace(settings.runner, name="executor exec", short_token=""))
    _write(folder.config_file, {"concurrent": 1, "runners": [{**runner, "executor": "custom"}]})
    helper = dataclasses.replace(settings.helper, volumes=(*settings.helper.volumes, *folder.volumes))
    sections = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    sections["helper"] = helper
    # The local runner's scripts restore and save caches themselves.
    sections["cache"] = CacheSettings(mode="archive")
    # There is no server that would take reports.
    sections["report"] = ReportSettings(artifacts=False)
    _write(folder.path / "executor.toml", _executor_tables(sections))


def runner_environment(settings: RunnerSettings) -> list[tuple[str, str]]:
    """`environment` of the runner as pairs: jobs see them as variables."""
    pairs = (entry.partition("=") for entry in settings.environment)
    return [(key, value) for key, separator, value in pairs if separator]


def _executor_tables(sections: dict[str, Any]) -> dict[str, Any]:
    """Sections of executor.toml are the fields of `Settings` that are values of a class, or lists of them, but for the
    runner.
    """
    chosen = {name: value for name, value in sections.items() if name != "runner" and _is_section(value)}
    return {name: table for name, value in chosen.items() if (table := _plain(value))}


def _is_section(value: Any) -> bool:
    return all(map(dataclasses.is_dataclass, value)) if isinstance(value, tuple) else dataclasses.is_dataclass(value)


def _table(value: Any) -> dict[str, Any]:
    """A settings value as a TOML table: what differs from the default, under the names that TOML has for it."""
    default = _default(type(value))
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {
        name: _plain(content)
        for name, content in fields.items()
        if content is not None and (default is None or content != getattr(default, name))
    }


def _default(section: type) -> Any:
    try:
        return section()
    except TypeError:  # A section with a field that has no default, as a service's name.
        return None


def _plain(content: Any) -> Any:
    if dataclasses.is_dataclass(content):
        return _table(content)
    if isinstance(content, (tuple, list, frozenset)):
        return [_plain(entry) for entry in content]
    if isinstance(content, dict):
        return {key: _plain(entry) for key, entry in content.items()}
    return content


def _write(path: Any, tables: dict[str, Any]) -> None:
    import tomlkit

    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        file.write(tomlkit.dumps(tables))
