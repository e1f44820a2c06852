"""Which stores of caches a command is about: each runner of this host has one of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass

from executor.errors import OperatorError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from executor.cache.store.store import Store
    from executor.settings.model import Settings

ARCHIVE = "archive"
PARTS = ("keys", "l", "leases", "meta", "tmp")


@dataclass(frozen=True)
class RunnerStore:
    """The store of one runner, by the runner's short token; `local` where it has none."""

    runner: str
    store: Store


def settings_of(parsed: argparse.Namespace) -> Settings:
    """The settings, of one runner where --runner names it."""
    from executor.settings.load import load_executor_settings, load_settings

    if parsed.runner:
        return load_settings(config=parsed.config, runner=parsed.runner)
    return load_executor_settings(parsed.config)


def stores_of(parsed: argparse.Namespace, settings: Settings) -> list[RunnerStore]:
    """The stores that are there, of all runners or of the one in --runner; at least one.

    UsageError where there is none, OperatorError where this account may not look, or caches are not kept in layers.
    """
    from executor.cache.store.store import Store
    from executor.sandbox.host import runner_folder
    from executor.settings.folders import cache_store

    base = cache_store(settings)
    _require_layers(settings, base)
    names = [name for name in _names_in(base) if _is_store(f"{base}/{name}")]
    if parsed.runner:
        names = [name for name in names if name == runner_folder(settings)]
    if not names:
        raise _no_store(base, parsed.runner)
    for name in names:
        _require_access(f"{base}/{name}")
    return [RunnerStore(name, Store(f"{base}/{name}")) for name in names]


def store_of(settings: Settings) -> RunnerStore:
    """The store of the runner that the settings are of; made where it is not there. Errors as in `stores_of`."""
    from executor.cache.store.store import Store
    from executor.sandbox.host import runner_folder
    from executor.settings.folders import cache_store

    base, name = cache_store(settings), runner_folder(settings)
    _require_layers(settings, base)
    if name in _names_in(base):
        _require_access(f"{base}/{name}")
    return RunnerStore(name, Store(f"{base}/{name}"))


def _require_layers(settings: Settings, base: str) -> None:
    if settings.cache.mode != ARCHIVE:
        return
    left = f" What was kept before lies in {base}: no job uses it any more." if os.path.isdir(base) else ""
    raise OperatorError(
        f'caches are left to the runner\'s own archives: {settings.executor_file} says mode = "archive" in [cache].',
        cause=f"There is nothing to see of them here.{left}",
        fix="`executor gc --older-than SPAN` removes archives that no job has used for long.",
    )


def _names_in(base: str) -> list[str]:
    try:
        return sorted(os.listdir(base))
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        raise OperatorError(f"{base} is no folder.", fix="Correct `store` of [cache] in executor.toml.") from None
    except PermissionError:
        raise _closed(base) from None


def _is_store(folder: str) -> bool:
    try:
        return set(PARTS) <= set(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError:
        return True


def _require_access(folder: str) -> None:
    needed = os.R_OK | os.W_OK | os.X_OK
    paths = (folder, *(f"{folder}/{part}" for part in PARTS))
    if not all(os.access(path, needed, effective_ids=True) for path in paths):
        raise _closed(folder)


def _closed(folder: str) -> OperatorError:
    return OperatorError(
        f"the store of caches in {folder} is closed to this account.", fix="Run as the user that runs gitlab-runner."
    )


def _no_store(base: str, runner: str | None) -> UsageError:
    whose = f"runner {runner} has" if runner else "there are"
    return UsageError(
        f"{whose} no caches in {base} yet.",
        cause="The first job that saves a cache makes the store.",
        fix="Is this the user that runs gitlab-runner, and --config its config.toml?" if not runner else "",
    )
