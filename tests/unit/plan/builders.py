"""Plans of small jobs under a few settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from executor.job.model import Job
from executor.job.variables import job_variables
from executor.plan.model import Host, Plan
from executor.plan.plan import make_plan
from executor.settings.model import DockerSettings, HelperSettings, RunnerSettings, Settings
from tests.unit.job.builders import job as plain_job

HOST = Host(
    key="1001-ab12",
    job_dir="/state/jobs/1001-ab12",
    builds_host_dir="/host/builds",
    cache_host_dir="/host/cache",
    reusable_builds=True,
    slot=0,
    gitlab_runner="/usr/bin/gitlab-runner",
    variables={},
    cpus=4,
    memory=8 * 1024**3,
    platform="linux/amd64",
)
ADDED = {"CI_PROJECT_DIR": "/builds/group/app", "RUNNER_TEMP_PROJECT_DIR": "/builds/group/app.tmp"}


def plan(
    job: Job | None = None,
    *,
    environment: dict[str, str] | None = None,
    host: dict[str, Any] | None = None,
    runner: dict[str, Any] | None = None,
    helper: dict[str, Any] | None = None,
    **docker: Any,
) -> Plan:
    """The plan of `job` under `[runners.docker]` keys; `environment` is what the runner adds to its variables."""
    job = job or plain_job()
    variables = job_variables(job, ADDED | (environment or {}))
    settings = Settings(
        runner=RunnerSettings(short_token="abcDEF_12", docker=DockerSettings(**docker), **(runner or {})),
        helper=HelperSettings(**(helper or {})),
    )
    return make_plan(job, settings, replace(HOST, **{"variables": variables, **(host or {})}))
