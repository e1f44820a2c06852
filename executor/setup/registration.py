"""A runner's section in config.toml: what a new one is, and what becomes of one that is there already."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from executor.errors import OperatorError, UsageError
from executor.setup.sections import with_section, with_values
from executor.setup.template import new_file, section_of

if TYPE_CHECKING:
    from executor.setup.config_file import ConfigFile
    from executor.setup.template import Registration

# What an operator may have chosen otherwise in a section that is taken over.
_CHOSEN = ("docker", "environment", "builds_dir", "cache_dir")


def require_free_name(config: ConfigFile, name: str, *, replace: bool) -> None:
    """UsageError where the file has a runner of this name and it is not to be replaced, OperatorError where several."""
    namesakes = [one for one in config.runners if one.get("name") == name]
    if namesakes and not replace:
        raise UsageError(
            f"{config.path} has a runner called {name} already.",
            fix="Add --replace to give it the new token and this driver, or another --name.",
        )
    if len(namesakes) > 1:
        raise OperatorError(f"{config.path} has {len(namesakes)} runners called {name}.", fix="Name them apart first.")


def registered(config: ConfigFile, registration: Registration, *, number: int, authority: str) -> str:
    """The file's text with this runner. One of the same name is taken over: the rest of its section stays.

    `number` is the runner's at GitLab, `authority` the PEM file of GitLab's certificate authority or "".
    OperatorError where another section has the same token.
    """
    _require_new_token(config, registration)
    known = {"tls-ca-file": authority} if authority else {}
    taken = [index for index, one in enumerate(config.runners) if one.get("name") == registration.name]
    if taken:
        found = config.runners[taken[0]]
        numbered = {"id": number} if "id" in found else {}
        return with_values(config.text, taken[0], _needed(found, registration) | known | numbered)
    section = section_of(registration)
    return with_section(config.text or new_file(), with_values(section, 0, known) if known else section)


def _require_new_token(config: ConfigFile, registration: Registration) -> None:
    others = [one for one in config.runners if one.get("token") == registration.token]
    names = [str(one.get("name")) for one in others if one.get("name") != registration.name]
    if names:
        raise OperatorError(
            f"{config.path} has this token already, in the runner called {names[0]}.",
            cause="One token in two sections makes one runner of them: slots and folders collide.",
            fix=f"Call it by that name: --name {names[0]} --replace, or create another runner in GitLab.",
        )


def _needed(found: dict[str, Any], registration: Registration) -> dict[str, Any]:
    """What the driver needs of a section that is there, without what its operator may have chosen."""
    whole: dict[str, Any] = tomllib.loads(section_of(registration))["runners"][0]
    return {key: value for key, value in whole.items() if key not in _CHOSEN or _is_missing(key, found)}


def _is_missing(key: str, found: dict[str, Any]) -> bool:
    """Folders are needed in any case; a runner without `[runners.docker]` or `environment` is its operator's choice."""
    return key in ("builds_dir", "cache_dir") and not str(found.get(key) or "").startswith("/")
