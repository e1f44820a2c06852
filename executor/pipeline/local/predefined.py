"""The predefined `CI_*` variables, as far as a repository without a GitLab can know them."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from executor import __version__
from executor.job.variables import expand
from executor.pipeline.local.names import environment_slug, slug

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.pipeline.local.repository import Repository
    from executor.pipeline.model import EnvironmentSpec, PipelineJob

USER_ID = "1"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """Numbers of one `executor exec`. `project_id` is the same in every run of this repository."""

    pipeline_id: int
    project_id: int
    created_at: str


def now() -> str:
    """The time, as GitLab writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def pipeline_variables(repository: Repository, run: RunIdentity, *, file: str) -> dict[str, str]:
    """Variables that are the same for every job, and that rules may use."""
    return {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_CONFIG_PATH": file,
        "CI_PIPELINE_ID": str(run.pipeline_id),
        "CI_PIPELINE_IID": str(run.pipeline_id),
        "CI_PIPELINE_SOURCE": "push",
        "CI_PIPELINE_CREATED_AT": run.created_at,
        "CI_PIPELINE_URL": f"{repository.url}/-/pipelines/{run.pipeline_id}",
        **_project(repository, run),
        **_server(repository),
        **_commit(repository),
        **_user(repository),
    }


def job_variables(job: PipelineJob, job_id: int, *, url: str) -> dict[str, str]:
    """Variables of one job. `url` is the project's."""
    variables = {
        "CI_JOB_ID": str(job_id),
        "CI_JOB_URL": f"{url}/-/jobs/{job_id}",
        "CI_JOB_NAME": job.name,
        "CI_JOB_NAME_SLUG": slug(job.name),
        "CI_JOB_GROUP_NAME": group_name(job.name),
        "CI_JOB_STAGE": job.stage,
        "CI_JOB_STARTED_AT": now(),
        "CI_NODE_TOTAL": "1",
    }
    if job.when == "manual":
        variables["CI_JOB_MANUAL"] = "true"
    return variables


def environment_variables(environment: EnvironmentSpec | None, known: Mapping[str, str]) -> dict[str, str]:
    """CI_ENVIRONMENT_* of a job that has an `environment:`, whose name may refer to the `known` variables."""
    if environment is None or not environment.name:
        return {}
    name = expand(environment.name, known)
    variables = {
        "CI_ENVIRONMENT_NAME": name,
        "CI_ENVIRONMENT_SLUG": environment_slug(name),
        "CI_ENVIRONMENT_ACTION": environment.action,
        "CI_ENVIRONMENT_TIER": environment.tier,
        "CI_ENVIRONMENT_URL": environment.url,
    }
    return {key: value for key, value in variables.items() if value}


def group_name(job: str) -> str:
    """The name that parallel jobs share: without ` 1/3` or `: [a, b]`."""
    return re.sub(r"(?:: \[.*\]| \d+/\d+)$", "", job, flags=re.DOTALL)


def _project(repository: Repository, run: RunIdentity) -> dict[str, str]:
    namespace, _, name = repository.project_path.rpartition("/")
    host = urlsplit(repository.server).hostname or ""
    registry = f"registry.{host}"
    return {
        "CI_PROJECT_ID": str(run.project_id),
        "CI_PROJECT_NAME": name,
        "CI_PROJECT_TITLE": name,
        "CI_PROJECT_PATH": repository.project_path,
        "CI_PROJECT_PATH_SLUG": slug(repository.project_path),
        "CI_PROJECT_NAMESPACE": namespace,
        "CI_PROJECT_NAMESPACE_SLUG": slug(namespace),
        "CI_PROJECT_ROOT_NAMESPACE": namespace.partition("/")[0],
        "CI_PROJECT_URL": repository.url,
        "CI_PROJECT_VISIBILITY": "private",
        "CI_REPOSITORY_URL": f"{repository.url}.git",
        "CI_REGISTRY": registry,
        "CI_REGISTRY_IMAGE": f"{registry}/{repository.project_path.lower()}",
        "CI_DEFAULT_BRANCH": repository.default_branch,
        "CI_DEFAULT_BRANCH_SLUG": slug(repository.default_branch),
    }


def _server(repository: Repository) -> dict[str, str]:
    address = urlsplit(repository.server)
    port = address.port or {"https": 443, "http": 80}[address.scheme]
    machine = platform.machine()
    return {
        "CI_SERVER": "yes",
        "CI_SERVER_NAME": "GitLab",
        "CI_SERVER_URL": repository.server,
        "CI_SERVER_HOST": address.hostname or "",
        "CI_SERVER_FQDN": address.netloc,
        "CI_SERVER_PORT": str(port),
        "CI_SERVER_PROTOCOL": address.scheme,
        "CI_API_V4_URL": f"{repository.server}/api/v4",
        "CI_API_GRAPHQL_URL": f"{repository.server}/api/graphql",
        "CI_RUNNER_DESCRIPTION": "executor exec",
        "CI_RUNNER_VERSION": __version__,
        "CI_RUNNER_EXECUTABLE_ARCH": f"linux/{_ARCHITECTURES.get(machine, machine)}",
    }


def _commit(repository: Repository) -> dict[str, str]:
    title, _, rest = repository.message.partition("\n")
    variables = {
        "CI_COMMIT_SHA": repository.sha,
        "CI_COMMIT_SHORT_SHA": repository.sha[:8],
        "CI_COMMIT_BEFORE_SHA": repository.before_sha,
        "CI_COMMIT_REF_NAME": repository.ref,
        "CI_COMMIT_REF_SLUG": slug(repository.ref),
        "CI_COMMIT_REF_PROTECTED": "false",
        "CI_COMMIT_MESSAGE": repository.message,
        "CI_COMMIT_TITLE": title,
        "CI_COMMIT_DESCRIPTION": rest.strip("\n"),
        "CI_COMMIT_AUTHOR": repository.author,
        "CI_COMMIT_TIMESTAMP": repository.timestamp,
    }
    variables["CI_COMMIT_TAG" if repository.tag else "CI_COMMIT_BRANCH"] = repository.ref
    return variables


def _user(repository: Repository) -> dict[str, str]:
    return {
        "GITLAB_USER_ID": USER_ID,
        "GITLAB_USER_NAME": repository.user_name,
        "GITLAB_USER_LOGIN": repository.user_email.partition("@")[0] or slug(repository.user_name),
        "GITLAB_USER_EMAIL": repository.user_email,
    }
