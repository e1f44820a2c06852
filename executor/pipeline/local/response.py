"""JOB_RESPONSE_FILE: the job in the runner's own words, written as GitLab Runner writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from executor.job.model import Variable
    from executor.pipeline.local.caching import Cache
    from executor.pipeline.local.predefined import RunIdentity
    from executor.pipeline.local.repository import Repository
    from executor.pipeline.model import ArtifactsSpec, ImageSpec, PipelineJob

NO_OPTIONS = {"docker": {"platform": "", "user": ""}, "kubernetes": {"user": ""}}


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """One try of a job: everything that its response file tells. `dependencies` is job name to id."""

    job: PipelineJob
    job_id: int
    timeout: int
    repository: Repository
    run: RunIdentity
    variables: Sequence[Variable]
    caches: Sequence[Cache]
    dependencies: Mapping[str, int]


def job_response(request: JobRequest, expand: Callable[[str], str]) -> dict[str, Any]:
    """The file's content. `expand` is the runner's expansion before the job's folders are known."""
    job, repository = request.job, request.repository
    return {
        "id": request.job_id,
        "token": "",
        "allow_git_fetch": False,
        "job_info": _job_info(request),
        "git_info": _git_info(repository),
        "runner_info": {"timeout": request.timeout},
        "variables": [variable_entry(variable) for variable in request.variables],
        "steps": _steps(job, request.timeout),
        "image": _image(job.image, expand) if job.image else {"name": "", "executor_opts": NO_OPTIONS},
        "services": [_image(service, expand) for service in job.services],
        "artifacts": _artifacts(job.artifacts) if job.artifacts else [],
        "cache": [_cache(cache) for cache in request.caches],
        "credentials": [],
        "dependencies": [_dependency(name, job_id) for name, job_id in request.dependencies.items()],
        "features": {"trace_sections": True, "token_mask_prefixes": [], "failure_reasons": []},
    }


def variable_entry(variable: Variable) -> dict[str, Any]:
    """One entry of `variables`."""
    return {
        "key": variable.key,
        "value": variable.value,
        "public": variable.public,
        "file": variable.file,
        "masked": variable.masked,
        "raw": variable.raw,
    }


def services_variable(services: Sequence[ImageSpec], expand: Callable[[str], str]) -> list[dict[str, Any]]:
    """The content of CI_JOB_SERVICES."""
    return [
        {
            "name": expand(service.name),
            "alias": next(iter(expand(service.alias).replace(",", " ").split()), ""),
            "entrypoint": list(service.entrypoint) if service.entrypoint is not None else None,
            "command": list(service.command) if service.command is not None else None,
        }
        for service in services
    ]


def _job_info(request: JobRequest) -> dict[str, Any]:
    path = request.repository.project_path
    return {
        "name": request.job.name,
        "stage": request.job.stage,
        "pipeline_id": request.run.pipeline_id,
        "project_id": request.run.project_id,
        "project_name": path.rpartition("/")[2],
        "project_full_path": path,
        "time_in_queue_seconds": 0,
        "project_jobs_running_on_instance_runners_count": "0",
    }


def _git_info(repository: Repository) -> dict[str, Any]:
    kind = "tag" if repository.tag else "branch"
    refs = f"refs/tags/{repository.ref}" if repository.tag else f"refs/heads/{repository.ref}"
    return {
        "repo_url": f"{repository.url}.git",
        "repo_object_format": "sha256" if len(repository.sha) > 40 else "sha1",
        "ref": repository.ref,
        "sha": repository.sha,
        "before_sha": repository.before_sha,
        "ref_type": kind,
        "refspecs": [f"+{refs}:{refs}"],
        "depth": 0,
        "protected": False,
    }


def _steps(job: PipelineJob, timeout: int) -> list[dict[str, Any]]:
    steps = [_step("script", [*job.before_script, *job.script], timeout, "on_success", allow_failure=False)]
    if job.after_script:
        steps.append(_step("after_script", job.after_script, timeout, "always", allow_failure=True))
    return steps


def _step(name: str, script: Sequence[str], timeout: int, when: str, *, allow_failure: bool) -> dict[str, Any]:
    return {"name": name, "script": list(script), "timeout": timeout, "when": when, "allow_failure": allow_failure}


def _image(image: ImageSpec, expand: Callable[[str], str]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": expand(image.name),
        "executor_opts": {"docker": {"platform": image.platform, "user": image.user}, "kubernetes": {"user": ""}},
    }
    optional = {
        "alias": expand(image.alias),
        "entrypoint": list(image.entrypoint) if image.entrypoint is not None else None,
        "command": list(image.command) if image.command is not None else None,
        "pull_policy": list(image.pull_policy),
        "variables": [{"key": key, "value": value, "public": True} for key, value in image.variables.items()],
    }
    # `entrypoint: [""]` and `entrypoint: []` say something; an absent one keeps the image's.
    return entry | {key: value for key, value in optional.items() if value or (key == "entrypoint" and value == [])}


def _artifacts(spec: ArtifactsSpec) -> list[dict[str, Any]]:
    return [
        {
            "name": spec.name,
            "untracked": spec.untracked,
            "paths": list(spec.paths),
            "exclude": list(spec.exclude),
            "when": spec.when,
            "artifact_type": "archive",
            "artifact_format": "zip",
            "expire_in": spec.expire_in,
        }
    ]


def _cache(cache: Cache) -> dict[str, Any]:
    return {
        "key": cache.keys[0],
        "untracked": cache.untracked,
        "policy": cache.policy,
        "paths": list(cache.paths),
        "when": cache.when,
        "fallback_keys": list(cache.keys[1:]),
    }


def _dependency(name: str, job_id: int) -> dict[str, Any]:
    return {
        "id": job_id,
        "token": "",
        "name": name,
        "artifacts_file": {"filename": "artifacts.tar", "size": 0},
    }
