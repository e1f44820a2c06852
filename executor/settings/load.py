"""Load what the operator said: config.toml of gitlab-runner and the driver's own executor.toml beside it."""

from __future__ import annotations

import os

from executor.errors import OperatorError
from executor.settings.model import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from executor.settings.document import Document
    from executor.settings.lines import KeyPath

SYSTEM_FOLDER = "/etc/gitlab-runner"
USER_FOLDER = "~/.gitlab-runner"


def load_settings(*, config: str | None, runner: str | None = None, short_token: str | None = None) -> Settings:
    """The settings of one runner; defaults where there is no file.

    `config` is the path given by --config, else the runner's own places are looked at. `runner` is the name given by
    --runner; `short_token` tells several custom runners apart, so pass it only from a trustworthy source.
    OperatorError for a file that is missing, unreadable or wrong, naming file, line and key.
    """
    if config == "":
        raise OperatorError("--config names no file.", fix="Give it the path of gitlab-runner's config.toml.")
    config_file = config or _first_existing("config.toml")
    if not config_file and runner:
        raise OperatorError(f"there is no config.toml to find the runner {runner} in.", fix="Add --config FILE.")
    executor_file = _executor_file(config_file)
    config_values = _read_config(config_file, runner, short_token) if config_file else {}
    executor_values = _read_executor(executor_file) if executor_file else {}
    warnings = config_values.pop("warnings", ()) + executor_values.pop("warnings", ())
    return Settings(**config_values, **executor_values, warnings=warnings)


def load_executor_settings(config: str | None) -> Settings:
    """What executor.toml says, whatever `[[runners]]` there are: for commands that look at the whole host."""
    if config is not None and not os.path.isfile(config):
        raise OperatorError(f"--config: there is no file {config}.", fix="Give it gitlab-runner's config.toml.")
    executor_file = _executor_file(config or _first_existing("config.toml"))
    return Settings(**(_read_executor(executor_file) if executor_file else {}))


def read_executor_settings(path: str) -> Settings:
    """What this very executor.toml says. OperatorError where it is missing, unreadable or wrong."""
    return Settings(**_read_executor(path))


def _first_existing(name: str) -> str:
    """A link that leads nowhere counts as existing: it is a mistake to tell, not to pass over."""
    places = (f"{SYSTEM_FOLDER}/{name}", os.path.expanduser(f"{USER_FOLDER}/{name}"))
    return next((place for place in places if os.path.lexists(place)), "")


def _executor_file(config_file: str) -> str:
    if not config_file:
        return _first_existing("executor.toml")
    path = os.path.join(os.path.dirname(config_file), "executor.toml")
    return path if os.path.lexists(path) else ""


def _read_config(path: str, runner: str | None, short_token: str | None) -> dict[str, Any]:
    from executor.settings.document import read_document
    from executor.settings.runners import read_runner

    document = read_document(path)
    _warn_of_unknown_top_level(document)
    settings = read_runner(document, runner, short_token)
    return {"runner": settings, "config_file": os.path.abspath(path), "warnings": tuple(document.warnings)}


def _warn_of_unknown_top_level(document: Document) -> None:
    from executor.settings.known import TOP_LEVEL

    for key in document.table:
        if key.lower() not in TOP_LEVEL:
            from executor.settings.explain import unknown_key

            document.warn((key,), unknown_key(key, "", TOP_LEVEL))


def _read_executor(path: str) -> dict[str, Any]:
    """Every section of the driver's own file: a field of `Settings` with a class of its own."""
    from executor.settings.checks import EXECUTOR, check_values
    from executor.settings.document import read_document
    from executor.settings.schema import read_sections

    document = read_document(path)
    values = read_sections(Settings, document, leave_out=("runner",))
    for name, section in values.items():
        for place, entry in _entries(name, section):
            check_values(EXECUTOR.get(name, {}), vars(entry), place, document)
    return {**values, "executor_file": os.path.abspath(path), "warnings": tuple(document.warnings)}


def _entries(name: str, section: Any) -> list[tuple[KeyPath, Any]]:
    """A section, or each entry of a list of sections, with its place in the file."""
    if isinstance(section, tuple):
        return [((name, index), entry) for index, entry in enumerate(section)]
    return [((name,), section)]
