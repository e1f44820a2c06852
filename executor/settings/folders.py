"""Where the driver keeps things on the host."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.settings.model import Settings

_NAME = "virida-executor"


def state_dir(settings: Settings) -> str:
    """The folder of state files, records and, where nothing else is said, builds and cache.

    /var/lib for root; else $XDG_STATE_HOME, which counts only where absolute, or ~/.local/state.
    """
    if settings.storage.state_dir:
        return settings.storage.state_dir
    if os.geteuid() == 0:
        return f"/var/lib/{_NAME}"
    base = os.environ.get("XDG_STATE_HOME", "")
    return os.path.join(base if base.startswith("/") else os.path.expanduser("~/.local/state"), _NAME)


def builds_dir(settings: Settings) -> str:
    """The host folder of the jobs' working copies."""
    return settings.storage.builds_dir or os.path.join(state_dir(settings), "builds")


def cache_dir(settings: Settings) -> str:
    """The host folder of the jobs' caches."""
    return settings.storage.cache_dir or os.path.join(state_dir(settings), "cache")


def cache_store(settings: Settings) -> str:
    """The host folder of the caches that are kept as layers; each runner has one of its own in it."""
    return settings.cache.store or os.path.join(state_dir(settings), "caches")


def audit_file(settings: Settings) -> str:
    """Where it is noted which jobs were allowed or denied."""
    return settings.audit.file or os.path.join(state_dir(settings), "audit.jsonl")
