"""A job of the local pipeline as the driver would get it, without running anything."""

from __future__ import annotations

from dataclasses import replace

from executor.errors import UsageError
from executor.job.response import parse_job
from executor.job.variables import expand
from executor.pipeline.local.context import given_variables, with_image
from executor.pipeline.local.response import JobRequest, job_response
from executor.pipeline.local.selection import select_jobs
from executor.pipeline.local.variables import stage_variables, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.job.model import Job, Variable
    from executor.pipeline.local.run import LocalPipeline, Options
    from executor.pipeline.model import Pipeline, PipelineJob

PREVIEW_ID = 1
DEFAULT_TIMEOUT = 3600


def preview_job(local: LocalPipeline, options: Options) -> Job:
    """The one job that `options` name. UsageError where they name none or several.

    Variables that other jobs hand on (dotenv reports) are not known before those have run.
    """
    jobs, _ = select_jobs(local.pipeline, options.jobs, needs=False, file=options.file)
    if len(jobs) != 1:
        names = ", ".join(job.name for job in jobs)
        raise UsageError(f"`{options.jobs[0]}` names {len(jobs)} jobs: {names}.", fix="Name one of them.")
    variables, known = _known_variables(local, jobs[0])
    request = JobRequest(
        job=jobs[0],
        job_id=PREVIEW_ID,
        timeout=jobs[0].timeout or DEFAULT_TIMEOUT,
        repository=local.repository,
        run=local.identity,
        variables=variables,
        caches=(),
        dependencies={},
    )
    return parse_job(job_response(request, lambda text: expand(text, known)), {})


def with_expanded_images(local: LocalPipeline) -> Pipeline:
    """The pipeline with the images that its jobs would get, as far as their variables are known before they run."""
    return replace(local.pipeline, jobs=tuple(_with_expanded_image(local, job) for job in local.pipeline.jobs))


def _with_expanded_image(local: LocalPipeline, job: PipelineJob) -> PipelineJob:
    return with_image(job, expand(job.image.name, _known_variables(local, job)[1])) if job.image else job


def _known_variables(local: LocalPipeline, job: PipelineJob) -> tuple[tuple[Variable, ...], dict[str, str]]:
    """The job's variables, and their values by name."""
    variables = given_variables(job, PREVIEW_ID, repository=local.repository, shared=local.variables)
    return variables, values(stage_variables(variables, None, {}), None)
