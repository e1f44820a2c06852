"""A Docker configuration (`config.json`): the logins it holds, and the credential helpers that it names.

Of one configuration the entry with the longest path that fits an image is taken. A helper is a program of the host:
only a configuration that the operator wrote may name one.
"""

from __future__ import annotations

import base64
import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from executor.terminal import log_warning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    from docker.credentials import Store

    Answer = TypeVar("Answer")
    Login = dict[str, str]

HUB = "docker.io"
HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)

# What a helper answers as user name where the secret is a token.
TOKEN_USER = "<token>"  # noqa: S105 (no secret, a mark)


class DockerConfig:
    """One configuration from its text. `source` names it to a reader; `helpers` says whether it may run programs."""

    def __init__(self, text: str, source: str, *, helpers: bool = False) -> None:
        self.source = source
        self._text = text
        self._helpers = helpers

    def login_for(self, path: str) -> Login | None:
        """The login in the Engine's words for a normalised repository, None where there is none."""
        for key in _fitting(self._logins, path):
            if login := self._logins[key]():
                return login
        return None

    @cached_property
    def _logins(self) -> dict[str, Callable[[], Login | None]]:
        """How to come by the login of each path: nobody is asked before its path fits."""
        if not self._text:
            return {}
        try:
            config = json.loads(self._text)
            logins = _plain(config) | (_of_helpers(config) if self._helpers else {})
        except (ValueError, AttributeError, TypeError):
            log_warning(f"{self.source} is not a Docker configuration (JSON with `auths`); it is not used.")
            return {}
        return logins


def normalized(repository: str) -> str:
    """A repository or a registry's address as a path that begins with the registry's host."""
    path = repository.removeprefix("https://").removeprefix("http://").rstrip("/")
    for suffix in ("/v1", "/v2"):
        path = path.removesuffix(suffix)
    host, slash, rest = path.partition("/")
    if host.lower() in ("index.docker.io", "registry-1.docker.io"):
        return HUB + slash + rest
    if "." in host or ":" in host or host == "localhost":
        return host.lower() + slash + rest
    return f"{HUB}/{path}"


def normalized_image(repository: str) -> str:
    """The repository of an image as a path: those of the Hub that have no owner belong to `library`."""
    path = normalized(repository)
    host, _, name = path.partition("/")
    return f"{HUB}/library/{name}" if host == HUB and "/" not in name else path


def _fitting(keys: Iterable[str], path: str) -> list[str]:
    """Those of `keys` that are `path` or above it, the longest first."""
    return sorted((key for key in keys if path == key or path.startswith(f"{key}/")), key=len, reverse=True)


def _plain(config: Mapping[str, Any]) -> dict[str, Callable[[], Login | None]]:
    """The logins that stand in the text."""
    logins = {host: _login(entry) for host, entry in (config.get("auths") or {}).items()}
    return {normalized(host): _known(login) for host, login in logins.items() if login}


def _known(login: Login) -> Callable[[], Login]:
    return lambda: login


def _login(entry: Mapping[str, Any]) -> Login:
    """What the Engine wants of one `auths` entry; empty where it holds no secret."""
    if entry.get("auth"):
        name, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
        return {"username": name, "password": password.rstrip("\0")}
    if entry.get("identitytoken"):
        return {"identitytoken": str(entry["identitytoken"])}
    if entry.get("username"):
        return {"username": str(entry["username"]), "password": str(entry.get("password", ""))}
    return {}


def _of_helpers(config: Mapping[str, Any]) -> dict[str, Callable[[], Login | None]]:
    """What `credsStore` has stored, then `credHelpers`, each for its own registry."""
    store = str(config.get("credsStore") or "")
    named = [(host, store) for host in _stored(store)] if store else []
    named += [(host, str(helper)) for host, helper in (config.get("credHelpers") or {}).items()]
    return {normalized(host): _asking(helper, host) for host, helper in named}


def _stored(helper: str) -> list[str]:
    """The registries that a helper has logins for."""
    return list(_ask(helper, _registries) or ())


def _asking(helper: str, host: str) -> Callable[[], Login | None]:
    return lambda: _ask(helper, lambda store: _stored_login(store, host))


def _ask(helper: str, question: Callable[[Store], Answer]) -> Answer | None:
    """What the helper answers; None, and a warning, where it cannot be asked or its name leads to another folder."""
    import warnings

    from docker import credentials

    warnings.simplefilter("ignore")
    try:
        if not HELPER_NAME.fullmatch(helper):
            raise credentials.StoreError
        return question(credentials.Store(helper))
    except credentials.CredentialsNotFound:
        return None
    except (credentials.StoreError, OSError, ValueError, KeyError, TypeError):
        log_warning(f"The credential helper {helper!r} cannot be run or gives no answer; it is not used.")
        return None


def _registries(store: Store) -> list[str]:
    return list(store.list())  # type: ignore[no-untyped-call]


def _stored_login(store: Store, host: str) -> Login:
    answer = store.get(host)  # type: ignore[no-untyped-call]
    if answer["Username"] == TOKEN_USER:
        return {"identitytoken": answer["Secret"]}
    return {"username": answer["Username"], "password": answer["Secret"]}
