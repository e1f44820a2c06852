"""Variables of services. They become part of a container's metadata, where every user of Docker can read them."""

from __future__ import annotations

from executor.job.variables import expand, file_path, last_entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from executor.job.model import Variable
    from executor.plan.request import Request

INTERNAL = frozenset(
    {
        "CI_BUILDS_DIR",
        "CI_CONCURRENT_ID",
        "CI_CONCURRENT_PROJECT_ID",
        "CI_JOB_IMAGE",
        "CI_JOB_STATUS",
        "CI_JOB_TIMEOUT",
        "CI_PROJECT_DIR",
        "CI_RUNNER_EXECUTABLE_ARCH",
        "CI_RUNNER_REVISION",
        "CI_RUNNER_SHORT_TOKEN",
        "CI_RUNNER_VERSION",
        "CI_SERVER",
        "RUNNER_TEMP_PROJECT_DIR",
    }
)
FEATURE_FLAG = "FF_"

# Scripts ask for it. gitlab-runner believes that a custom executor's jobs share their environment.
DISPOSABLE = {"CI_DISPOSABLE_ENVIRONMENT": "true"}

# It is for the driver; no service has to log in with it.
LOGINS = "DOCKER_AUTH_CONFIG"
SHORTEST_SECRET = 8


def service_variables(request: Request, own: tuple[Variable, ...]) -> dict[str, str]:
    """What a service gets: the open variables, then its own, expanded against all of the job's and its own.

    A service's own variable may refer to a secret: that is how a database gets its password.
    """
    return DISPOSABLE | _open_variables(request) | dict(_expanded(request, own))


def as_environment(variables: dict[str, str]) -> tuple[str, ...]:
    """`NAME=value` entries; a value with a NUL cannot be one."""
    return tuple(f"{key}={value}" for key, value in variables.items() if "\0" not in value)


def _open_variables(request: Request) -> dict[str, str]:
    """Public variables of the job and what the runner and the operator added, without any that show a secret."""
    entries, secrets = last_entries(request.job.variables), _secrets(request)
    added = _of_operator(request) | INTERNAL
    return {
        key: value
        for key, value in request.host.variables.items()
        if _is_name(key)
        and key != LOGINS
        and (_is_open(entries[key]) if key in entries else key in added or key.startswith(FEATURE_FLAG))
        and not any(secret in value for secret in secrets)
    }


def _expanded(request: Request, own: tuple[Variable, ...]) -> Iterator[tuple[str, str]]:
    entries = last_entries(own)
    known = {**request.host.variables, **{key: entry.value for key, entry in entries.items()}}
    for key, entry in entries.items():
        if not _is_name(key):
            request.warn(f"A variable of a service has no usable name ({key!r}) and is left out.")
        elif entry.file:
            yield key, file_path(key, request.host.variables)
        else:
            yield key, entry.value if entry.raw else expand(entry.value, known)


def _is_open(entry: Variable) -> bool:
    return entry.public and not entry.masked


def _of_operator(request: Request) -> frozenset[str]:
    """Names in `environment` of [[runners]]."""
    return frozenset(entry.partition("=")[0] for entry in request.settings.runner.environment)


def _secrets(request: Request) -> tuple[str, ...]:
    """Values that must not show, not even within another: a public variable may refer to a masked one."""
    masked = [entry for entry in request.job.variables if entry.masked]
    names = [*(entry.key for entry in masked), *request.job.secret_names]
    hidden = [*(entry.value for entry in masked), *(request.host.variables.get(name, "") for name in names)]
    return tuple(value for value in hidden if len(value) >= SHORTEST_SECRET)


def _is_name(key: str) -> bool:
    return bool(key) and "=" not in key and "\0" not in key
