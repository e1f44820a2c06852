"""All checks, in the order in which they are shown."""

from __future__ import annotations

from importlib import import_module

from executor.doctor.model import CATEGORIES, Check
from executor.errors import UsageError

MODULES = (
    "runner",
    "registration",
    "hooks",
    "docker",
    "docker_storage",
    "docker_limits",
    "docker_network",
    "host",
    "disks",
    "capacity",
    "clock",
    "job",
    "throwaway",
    "cache",
    "state",
    "network",
    "registries",
    "clever",
    "reporting",
)


def all_checks() -> list[Check]:
    """Every check there is, by category."""
    modules = [import_module(f"executor.doctor.checks.{name}") for name in MODULES]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Check)]
    unique = {check.id: check for check in found}
    return sorted(unique.values(), key=lambda check: CATEGORIES.index(check.category))


def chosen(words: list[str], *, with_job: bool = False) -> list[Check]:
    """The checks that `words` name (an id, or how ids begin: `docker`, `docker.socket`); all where there are none.

    Those of the throw-away job are left out unless `with_job`, or named. UsageError for a word that fits none.
    """
    checks = all_checks()
    if not words:
        return [check for check in checks if with_job or not check.with_job]
    for word in words:
        if not any(_fits(check, word) for check in checks):
            raise _unknown(word, checks)
    named = [check for check in checks if any(_fits(check, word) for word in words)]
    exact = {check.id for check in named if check.id in words}
    return [check for check in named if with_job or not check.with_job or check.id in exact]


def _fits(check: Check, word: str) -> bool:
    return check.id == word or check.id.startswith(f"{word}.")


def _unknown(word: str, checks: list[Check]) -> UsageError:
    from difflib import get_close_matches

    names = [*CATEGORIES, *(check.id for check in checks)]
    close = get_close_matches(word, names, n=1, cutoff=0.6)
    return UsageError(
        f"doctor: there is no check `{word}`.",
        cause=f"Did you mean `{close[0]}`?" if close else "",
        fix="`executor doctor --list` shows them.",
    )
