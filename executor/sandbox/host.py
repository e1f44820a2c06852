"""What this host adds to a job: its key, its folders, its slot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from executor.job.environment import custom_environment, slot
from executor.job.variables import job_variables
from executor.plan.model import Host
from executor.sandbox.context import find_gitlab_runner
from executor.sandbox.folders import cache_folder, claim_builds_folder
from executor.settings.folders import builds_dir, cache_dir

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.job.model import Job
    from executor.sandbox.context import Context
    from executor.sandbox.folders import BuildsFolder
    from executor.settings.model import Settings

FETCH = "fetch"


def new_key(job: Job) -> str:
    """A name for this attempt of the job that no other has had on this host."""
    return f"{job.id}-{os.urandom(4).hex()}"


def claim_builds(context: Context, environ: Mapping[str, str], job_folder: str) -> BuildsFolder:
    """The folder for the job's sources, claimed for it."""
    job = context.job
    return claim_builds_folder(
        builds_base(context),
        slot(environ, job),
        job_folder,
        keep=keeps_sources(job, job_variables(job, custom_environment(environ))),
        protected=job.protected,
        project_path=job.project_path,
    )


def builds_base(context: Context) -> str:
    """Where the folders for the sources of the job's project lie, on this runner."""
    settings = context.settings
    return f"{builds_dir(settings)}/{runner_folder(settings)}/{context.job.project_id}"


def describe_host(
    context: Context, environ: Mapping[str, str], job_folder: str, builds: BuildsFolder, runner_pid: int
) -> Host:
    """The job's place on this host. `runner_pid` is the process whose binary the helper may get."""
    job, settings = context.job, context.settings
    cache = f"{cache_dir(settings)}/{runner_folder(settings)}"
    return Host(
        key=os.path.basename(job_folder),
        job_dir=job_folder,
        builds_host_dir=builds.path,
        cache_host_dir=cache_folder(cache, job.project_id, protected=job.protected),
        reusable_builds=builds.reusable,
        slot=slot(environ, job),
        gitlab_runner=find_gitlab_runner(settings, runner_pid),
        variables=job_variables(job, custom_environment(environ)),
        cpus=os.cpu_count() or 1,
        memory=memory(),
        platform=platform(),
    )


def runner_folder(settings: Settings) -> str:
    """Jobs of different runners share no folders."""
    return settings.runner.short_token or "local"


def keeps_sources(job: Job, variables: Mapping[str, str]) -> bool:
    """Only `fetch` finds the last job's sources; the runner takes it by default where GitLab allows it."""
    strategy = variables.get("GIT_STRATEGY", "")
    return strategy == FETCH or (not strategy and job.allow_git_fetch)


def memory() -> int:
    """The host's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def platform() -> str:
    """The host's own, as images name it: `linux/amd64`."""
    machine = os.uname().machine
    architecture = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7"}.get(machine, machine)
    return f"linux/{architecture}"
