"""Logins for registries, in the runner's order: the first source that knows a registry wins.

    DOCKER_AUTH_CONFIG of the job, then of the runner's `environment`; the Docker configuration of the account that runs
    the driver; the credentials that GitLab sends with the job.

Credential helpers are run where the runner's or the account's configuration names them. Those that a job's own
configuration names are never run.
"""

from __future__ import annotations

import base64
import json
import os
from functools import cached_property
from typing import TYPE_CHECKING

from executor.job.environment import custom_environment
from executor.sandbox.docker_config import DockerConfig, normalized, normalized_image
from executor.terminal import log, log_warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from executor.job.model import Job
    from executor.sandbox.context import Context

VARIABLE = "DOCKER_AUTH_CONFIG"
FROM_GITLAB = "job payload (GitLab Registry)"


class Credentials:
    """The logins of one job. Nothing is read before a pull needs it.

    `of_job` and `of_runner` are the texts of DOCKER_AUTH_CONFIG, "" for none.
    """

    def __init__(self, job: Job, of_job: str = "", of_runner: str = "") -> None:
        self._job = job
        self._of_variable = (
            DockerConfig(of_job, f"${VARIABLE}"),
            DockerConfig(of_runner, f"${VARIABLE} of the runner", helpers=True),
        )

    def header_for(self, repository: str) -> str:
        """The X-Registry-Auth header for an image's repository, "" where no source knows it. Tells which one does."""
        path = normalized_image(repository)
        for source in self._sources():
            if login := source.login_for(path):
                log(f"Authenticating with credentials from {source.source}")
                return base64.urlsafe_b64encode(json.dumps(login).encode()).decode()
        return ""

    def _sources(self) -> Iterator[DockerConfig]:
        yield from self._of_variable
        yield self._of_host
        yield self._of_gitlab

    @cached_property
    def _of_host(self) -> DockerConfig:
        return _of_host()

    @cached_property
    def _of_gitlab(self) -> DockerConfig:
        auths = {
            normalized(login.url): {"username": login.username, "password": login.password}
            for login in self._job.credentials
        }
        return DockerConfig(json.dumps({"auths": auths}), FROM_GITLAB)


def credentials_of(context: Context, environ: Mapping[str, str]) -> Credentials:
    """The logins of the job that the runner asks for.

    A job's variable hides the runner's of the same name. What does not stand in config.toml word for word counts as the
    job's, for its author may have made it.
    """
    entries = (entry.partition("=") for entry in context.settings.runner.environment)
    of_runner = {key: value for key, _, value in entries}.get(VARIABLE, "")
    given = custom_environment(environ).get(VARIABLE, "")
    return Credentials(context.job, "" if given == of_runner else given, of_runner)


def _of_host() -> DockerConfig:
    """The configuration of the account that runs the driver: Docker's file, else the one it had long ago."""
    for path in (os.path.expanduser("~/.docker/config.json"), os.path.expanduser("~/.dockercfg")):
        if os.path.exists(path):
            return DockerConfig(_read(path), path, helpers=True)
    return DockerConfig("", "")


def _read(path: str) -> str:
    """The file's text; the old file holds what the new one has under `auths`."""
    try:
        with open(path) as file:
            text = file.read()
    except (OSError, ValueError):
        log_warning("The Docker configuration of the runner's account cannot be read; it is not used.")
        return ""
    return f'{{"auths": {text}}}' if path.endswith(".dockercfg") else text
