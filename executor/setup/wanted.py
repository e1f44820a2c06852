"""What an installed driver consists of. A service's unit would be one more file here: there is none to run yet."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from executor.settings import folders
from executor.settings.load import read_executor_settings
from executor.settings.model import Settings, StorageSettings

if TYPE_CHECKING:
    from executor.setup.places import Places

_SETTINGS = Path(__file__).with_name("executor.toml.template")

_START_SCRIPT = """\
#!/bin/sh
# Starts virida-executor with the Python that it is installed for. Written by `executor install`.
exec {python} -I -S {launcher} "$@"
"""


@dataclass(frozen=True, kw_only=True)
class WantedFile:
    """A file with its content. `is_operators` says that one which is there is never changed."""

    path: str
    content: str
    mode: int
    is_operators: bool = False


@dataclass(frozen=True, kw_only=True)
class WantedFolder:
    """A folder of the account's that keeps all others out."""

    path: str
    mode: int = 0o700


def wanted_files(places: Places, python: str, launcher: str) -> list[WantedFile]:
    """The start script, and the driver's settings."""
    start = _START_SCRIPT.format(python=shlex.quote(python), launcher=shlex.quote(launcher))
    return [
        WantedFile(path=places.start_script, content=start, mode=0o755),
        WantedFile(path=places.settings, content=_settings_text(places), mode=0o644, is_operators=True),
    ]


def wanted_folders(places: Places) -> list[WantedFolder]:
    """The state folder and those in it; where the operator's settings are there already, those that they name.

    None where these name no state folder: the driver then makes its own for whoever runs it.
    OperatorError where they cannot be read.
    """
    settings = _settings(places)
    if not settings.storage.state_dir:
        return []
    named = (folders.state_dir, folders.builds_dir, folders.cache_dir, folders.cache_store)
    return [WantedFolder(path=path) for path in dict.fromkeys(find(settings) for find in named)]


def _settings(places: Places) -> Settings:
    if os.path.exists(places.settings):
        return read_executor_settings(places.settings)
    return Settings(storage=StorageSettings(state_dir=places.state_dir))


def _settings_text(places: Places) -> str:
    from tomlkit import string

    return _SETTINGS.read_text(encoding="utf-8").replace("@STATE_DIR@", string(places.state_dir).as_string())
