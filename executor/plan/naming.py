"""Names and labels of all that is made for a job: the docker executor's, so that existing tooling finds them."""

from __future__ import annotations

import re

from executor.plan.model import BUILD, HELPER, SERVICE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.plan.request import Request

GITLAB = "com.gitlab.gitlab-runner."
OURS = "io.virida.executor."
JOB_LABEL = f"{OURS}job"
ROLE_LABEL = f"{OURS}role"
STATE_LABEL = f"{OURS}state"
LONGEST_HOSTNAME = 63
LONGEST_SERVICE = 80
GITLAB_TYPES = {HELPER: "predefined", BUILD: "build", SERVICE: "service"}


def hostname(request: Request) -> str:
    """The operator's, else the docker executor's own, as a DNS label."""
    return request.docker.hostname or _dns_label(_unique_name(request))


def network_name(request: Request) -> str:
    """The job's own network."""
    short = _short_token(request)
    return f"runner-{short}-{request.job.project_id}-{_slot(request)}-{request.job.id}-{_suffix(request)}"


def container_name(request: Request, kind: str) -> str:
    """`kind` is predefined, build, or a service's slug and number."""
    return f"{job_prefix(request)}-{kind}"


def job_prefix(request: Request) -> str:
    """How the names of all of this job's containers and temporary volumes begin."""
    return f"{_unique_name(request)}-{request.job.id}-{_suffix(request)}"


def service_kind(alias: str, number: int) -> str:
    """The part of a service container's name that tells it from the others: characters that Docker takes."""
    return f"{re.sub(r'[^A-Za-z0-9_.-]', '-', alias)[:LONGEST_SERVICE]}-{number}"


def container_labels(request: Request, role: str) -> dict[str, str]:
    """Labels of a container; the operator's own cannot replace those that cleaning up relies on."""
    custom = {key: request.expand(value) for key, value in request.docker.container_labels.items()}
    if role == SERVICE:
        custom |= {f"{GITLAB}{key}": value for key, value in custom.items()}
    return custom | job_labels(request, GITLAB_TYPES[role], role)


def job_labels(request: Request, gitlab_type: str, role: str) -> dict[str, str]:
    """Labels of anything made for this job alone."""
    job = request.job
    labels = common_labels(request, gitlab_type) | {
        f"{GITLAB}job.id": str(job.id),
        f"{GITLAB}job.url": job.url,
        f"{GITLAB}job.sha": job.sha,
        f"{GITLAB}job.before_sha": job.before_sha,
        f"{GITLAB}job.ref": job.ref,
        f"{GITLAB}job.timeout": _go_duration(job.timeout),
        f"{GITLAB}project.runner_id": _slot(request),
        JOB_LABEL: request.host.key,
        ROLE_LABEL: role,
        STATE_LABEL: request.host.job_dir,
    }
    return labels | ({f"{GITLAB}pipeline.id": str(job.pipeline_id)} if job.pipeline_id is not None else {})


def common_labels(request: Request, gitlab_type: str) -> dict[str, str]:
    """Labels of anything, also of what outlives the job."""
    return {
        f"{GITLAB}managed": "true",
        f"{GITLAB}type": gitlab_type,
        f"{GITLAB}project.id": str(request.job.project_id),
        f"{GITLAB}runner.id": request.settings.runner.short_token,
    }


def _unique_name(request: Request) -> str:
    project = request.job.project_id
    return f"runner-{_short_token(request)}-project-{project}-concurrent-{_slot(request)}"


def _short_token(request: Request) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "", request.settings.runner.short_token) or "local"


def _slot(request: Request) -> str:
    return "x" if request.host.slot is None else str(request.host.slot)


def _suffix(request: Request) -> str:
    return request.host.key.rpartition("-")[2]


def _dns_label(name: str) -> str:
    """RFC 1123: what is not allowed goes, as in the docker executor."""
    return re.sub(r"[^a-z0-9-]", "", name.lower())[:LONGEST_HOSTNAME].strip("-")


def _go_duration(seconds: int) -> str:
    """As Go prints it: `1h0m0s`, `5m0s`, `30s`."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest}s"
