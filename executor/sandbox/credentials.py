"""Logins for registries, in the runner's order: the first source that knows a registry wins.

    DOCKER_AUTH_CONFIG of the job, then of the runner; the Docker configuration of the account that runs the driver,
    with its credential helpers; the credentials that GitLab sends with the job.

Of one source the entry with the longest path that fits the image is taken. Helpers that a job's own configuration
names are never run.
"""

from __future__ import annotations

import base64
import json
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from executor.terminal import log_warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from executor.job.model import Job

HUB = "docker.io"


class Credentials:
    """The logins of one job. Nothing is read before a pull needs it."""

    def __init__(self, job: Job, auth_config: str) -> None:
        self._job = job
        self._auth_config = auth_config

    def header_for(self, repository: str) -> str:
        """The X-Registry-Auth header for an image's repository, "" where no source knows it."""
        path = normalized(repository)
        for entries in self._sources():
            if login := _longest_match(entries, path):
                return base64.urlsafe_b64encode(json.dumps(login).encode()).decode()
        return ""

    def _sources(self) -> Iterator[Mapping[str, dict[str, str]]]:
        yield self._of_variable
        yield self._of_host
        yield {
            normalized(login.url): {"username": login.username, "password": login.password}
            for login in self._job.credentials
        }

    @cached_property
    def _of_variable(self) -> dict[str, dict[str, str]]:
        return _entries(self._auth_config, "DOCKER_AUTH_CONFIG")

    @cached_property
    def _of_host(self) -> dict[str, dict[str, str]]:
        return _of_host()


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


def _longest_match(entries: Mapping[str, dict[str, str]], path: str) -> dict[str, str] | None:
    fitting = [key for key in entries if path == key or path.startswith(f"{key}/")]
    return entries[max(fitting, key=len)] if fitting else None


def _entries(text: str, source: str) -> dict[str, dict[str, str]]:
    """The logins of a Docker configuration's `auths`; a broken one is a warning, and skipped."""
    if not text:
        return {}
    try:
        auths = json.loads(text).get("auths") or {}
        return {normalized(host): _login(entry) for host, entry in auths.items() if _login(entry)}
    except (ValueError, AttributeError, TypeError):
        log_warning(f"{source} is not a Docker configuration (JSON with `auths`); it is not used.")
        return {}


def _login(entry: dict[str, Any]) -> dict[str, str]:
    """What the Engine wants of one `auths` entry; empty where it holds no secret."""
    if entry.get("auth"):
        name, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
        return {"username": name, "password": password.rstrip("\0")}
    if entry.get("identitytoken"):
        return {"identitytoken": str(entry["identitytoken"])}
    if entry.get("username"):
        return {"username": str(entry["username"]), "password": str(entry.get("password", ""))}
    return {}


def _of_host() -> dict[str, dict[str, str]]:
    """The logins of the account that runs the driver, asked of its credential helpers where it names some."""
    path = os.path.expanduser("~/.docker/config.json")
    if not os.path.exists(path):
        return {}
    import warnings

    from docker import auth, errors

    warnings.simplefilter("ignore")
    try:
        config = auth.load_config(config_path=path)
        stored = config.get_all_credentials()  # type: ignore[no-untyped-call]
    except (errors.DockerException, OSError, ValueError, AttributeError, TypeError):
        log_warning("The Docker configuration of the runner's account cannot be read; it is not used.")
        return {}
    return {normalized(host): _of_sdk(login) for host, login in stored.items() if login}


def _of_sdk(login: Mapping[str, str]) -> dict[str, str]:
    names = {"Username": "username", "Password": "password", "IdentityToken": "identitytoken"}
    plain = {names.get(key, key): value for key, value in login.items() if key != "ServerAddress" and value}
    return {key: plain[key] for key in ("username", "password", "identitytoken") if key in plain}
