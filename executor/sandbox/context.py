"""Who asks for what: the job and the settings of the runner that took it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor.errors import OperatorError
from executor.job.environment import custom_environment, trusted_short_token
from executor.job.response import load_job
from executor.settings.load import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.job.model import Job
    from executor.settings.model import Settings


@dataclass(frozen=True, kw_only=True)
class Context:
    """One job of one runner."""

    job: Job
    settings: Settings


def load_context(options: Mapping[str, str], environ: Mapping[str, str]) -> Context:
    """The job of JOB_RESPONSE_FILE and the settings that `--config` and `--runner` choose."""
    path = environ.get("JOB_RESPONSE_FILE", "")
    if not path:
        raise OperatorError(
            "JOB_RESPONSE_FILE is not set: this was not started by gitlab-runner 17 or newer.",
            fix="The driver's phases are for `[runners.custom]`; to run a job by hand use `executor exec`.",
        )
    job = load_job(path, custom_environment(environ))
    token = trusted_short_token(environ, job)
    settings = load_settings(config=options.get("config"), runner=options.get("runner"), short_token=token)
    return Context(job=job, settings=settings)


def find_gitlab_runner(settings: Settings, runner_pid: int) -> str:
    """The gitlab-runner that the helper gets, so that its version always matches: of the settings, of PATH, or the
    running one itself (`runner_pid`). "" where a job is run without a runner."""
    import shutil

    found = settings.helper.gitlab_runner or shutil.which("gitlab-runner") or _executable(runner_pid)
    return os.path.realpath(found) if found else ""


def _executable(pid: int) -> str:
    try:
        path = os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""
    return path if os.path.basename(path).startswith("gitlab-runner") else ""
