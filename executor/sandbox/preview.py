"""The place that a job would get on this host, with nothing made and nothing claimed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from executor.job.variables import job_variables
from executor.plan.model import Host
from executor.sandbox.caches import file_system_obstacle, store_folder
from executor.sandbox.context import find_gitlab_runner
from executor.sandbox.folders import cache_path, kept_work, passing_work
from executor.sandbox.host import keeps_sources, memory, platform, runner_folder
from executor.settings.folders import builds_dir, cache_dir, state_dir

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.job.model import Job
    from executor.settings.model import Settings

FIRST_SLOT = 0


def preview_host(job: Job, settings: Settings, environment: Mapping[str, str]) -> Host:
    """The host as the first of the project's concurrent jobs would find it.

    `environment` is the job's own; where it is empty the folders are those that the runner would choose.
    """
    project = f"{settings.runner.builds_dir}/{job.project_path}"
    folders = {"CI_PROJECT_DIR": project, "RUNNER_TEMP_PROJECT_DIR": f"{project}.tmp"}
    variables = job_variables(job, folders | dict(environment))
    forged = any(variable.key == "CI_PROJECT_DIR" for variable in job.variables)
    folder = f"{state_dir(settings)}/jobs/{job.id}-preview"
    base = f"{builds_dir(settings)}/{runner_folder(settings)}/{job.project_id}"
    kept = keeps_sources(job, variables)
    work = kept_work(base, FIRST_SLOT, protected=job.protected) if kept else passing_work(base, folder)
    cache = f"{cache_dir(settings)}/{runner_folder(settings)}"
    return Host(
        key=os.path.basename(folder),
        job_dir=folder,
        builds_host_dir=work,
        cache_host_dir=cache_path(cache, job.project_id, protected=job.protected),
        reusable_builds=kept,
        slot=FIRST_SLOT,
        gitlab_runner=find_gitlab_runner(settings, os.getpid()),
        variables=variables,
        cpus=os.cpu_count() or 1,
        memory=memory(),
        platform=platform(),
        project_dir="" if forged else variables.get("CI_PROJECT_DIR", ""),
        cache_store=store_folder(settings),
        cache_obstacle=file_system_obstacle(settings),
    )
