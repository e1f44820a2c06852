"""The environment of a call: the job's variables, and the few facts of the runner that come no other way.

Imported on the hot path: no imports here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.job.model import Job

PREFIX = "CUSTOM_ENV_"
SLOT_DIGITS = 4


def custom_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The job's effective variables as the runner passed them, without their prefix; file variables hold content.

    Any of them can be forged by the job's author: good for expansion and messages, never for permissions.
    """
    return {key[len(PREFIX) :]: value for key, value in environ.items() if key.startswith(PREFIX)}


def slot(environ: Mapping[str, str], job: Job) -> int | None:
    """CI_CONCURRENT_PROJECT_ID: the how-many-th concurrent job of its project this is. None where it was forged."""
    text = _unforged(environ, job, "CI_CONCURRENT_PROJECT_ID")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= SLOT_DIGITS else None


def trusted_project_dir(environ: Mapping[str, str], job: Job) -> str:
    """Where the runner puts the project in the containers. "" where it does not say or a job's variable hides it."""
    return _unforged(environ, job, "CI_PROJECT_DIR")


def trusted_short_token(environ: Mapping[str, str], job: Job) -> str | None:
    """The runner's shortened token, which tells what `[[runners]]` took the job. None where it was forged."""
    return _unforged(environ, job, "CI_RUNNER_SHORT_TOKEN") or None


def _unforged(environ: Mapping[str, str], job: Job, key: str) -> str:
    """The value that the runner itself set: only a job's variable or secret of the same name can hide it."""
    if key in job.secret_names or any(variable.key == key for variable in job.variables):
        return ""
    return environ.get(PREFIX + key, "")
