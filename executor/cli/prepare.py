"""`executor prepare`: makes the job's sandbox, called by gitlab-runner before the first stage."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

from executor.cli.options import split_options
from executor.errors import SUCCESS, JobError, Terminated
from executor.plan.plan import make_plan
from executor.sandbox.attempt import Attempt, take_over_or_begin
from executor.sandbox.audit import record_allowed, record_denied
from executor.sandbox.background import in_background
from executor.sandbox.context import load_context
from executor.sandbox.credentials import credentials_of
from executor.sandbox.images import Images
from executor.sandbox.janitor import dead_jobs, sweep, sweep_is_due
from executor.sandbox.prepare import Sandbox
from executor.stages.channel import Channel
from executor.terminal import log_warning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from executor.plan.model import Host, Plan


def main(arguments: list[str]) -> int:
    """Plan the job and make it real. `cleanup` takes away what a failure leaves."""
    signal.signal(signal.SIGTERM, _terminated)
    options, _ = split_options(arguments)
    attempt = take_over_or_begin(load_context(options, os.environ))
    if attempt.context.job.caches:
        attempt = _with_store(attempt)
    plan = _plan(attempt)
    attempt.note_plan(plan)
    if attempt.context.settings.report.artifacts:
        _ask_for_reports(attempt)
    if plan.caches.in_store:
        _keep_job_caches(attempt, plan)
    for warning in (*attempt.context.settings.warnings, *plan.warnings):
        log_warning(warning)
    for role in (plan.helper.role, plan.build.role):
        os.mkdir(f"{attempt.folder}/{role}", 0o700)
        Channel.create(f"{attempt.folder}/{role}/ctl")
    if plan.service_logs:
        from executor.stages.service_logs import ask_for_service_logs

        ask_for_service_logs(attempt.folder)
    images = Images(attempt.engine, credentials_of(attempt.context, os.environ), attempt.state_dir)
    Sandbox(attempt.engine, images, plan, attempt.folder, attempt.host.variables).build()
    attempt.note({"prepared": True})
    if attempt.context.settings.usage.enabled:
        _measure(attempt, plan)
    _clean_up_after_others(attempt)
    return SUCCESS


def _with_store(attempt: Attempt) -> Attempt:
    """The attempt with what the plan of a job with caches needs to know."""
    from executor.sandbox.caches import with_store

    return replace(attempt, host=with_store(attempt.host, attempt, os.environ))


def _keep_job_caches(attempt: Attempt, plan: Plan) -> None:
    """Let the cache stages know what they are to do."""
    from executor.sandbox.caches import keep_job_caches

    keep_job_caches(attempt, plan.caches)


def _ask_for_reports(attempt: Attempt) -> None:
    """Let the job's last stage know where its reports go."""
    from executor.stages.artifacts import ask_for_artifacts

    settings, variables = attempt.context.settings, attempt.host.variables
    temporary = variables.get("RUNNER_TEMP_PROJECT_DIR", "")
    ask_for_artifacts(attempt.folder, url=settings.runner.url, address=settings.report.url, temporary=temporary)


def _plan(attempt: Attempt) -> Plan:
    """What the job gets, or why not; the audit log hears of either."""
    try:
        plan = make_plan(attempt.context.job, attempt.context.settings, _host(attempt))
    except JobError as refusal:
        record_denied(attempt, refusal)
        raise
    record_allowed(attempt, plan)
    return plan


def _host(attempt: Attempt) -> Host:
    """The job's place, with what its history says that it needs where limits are to follow that."""
    if not attempt.context.settings.limits.auto:
        return attempt.host
    from dataclasses import replace

    from executor.sandbox.past_need import needed_memory

    return replace(attempt.host, needed_memory=needed_memory(attempt.state_dir, attempt.context.job))


def _measure(attempt: Attempt, plan: Plan) -> None:
    """Measure what the job's containers use, from now to their end."""
    from executor.sandbox.measuring import begin_measuring
    from executor.terminal import log_is_unicode

    unicode = log_is_unicode()
    begin_measuring(attempt, plan, lambda data: _section(data, unicode=unicode))


def _section(data: dict[str, Any], *, unicode: bool) -> str:
    """What the end of the job log shows: made in the process that measures, which loads what that takes."""
    from executor.stages.usage_section import section_of

    return section_of(data, unicode=unicode)


def _clean_up_after_others(attempt: Attempt) -> None:
    """What crashes left, found at once and removed in the background, with the images that are beyond the quota."""
    dead = dead_jobs(attempt.state_dir)
    if dead or sweep_is_due(attempt.state_dir):
        in_background(lambda: _tidy_up(attempt, dead))


def _tidy_up(attempt: Attempt, dead: list[str]) -> None:
    sweep(attempt.state_dir, attempt.engine, dead)
    if attempt.context.settings.images.quota:
        from executor.sandbox.image_quota import keep_within
        from executor.settings.units import parse_bytes

        keep_within(parse_bytes(attempt.context.settings.images.quota), attempt.engine, attempt.state_dir)


def _terminated(*_: object) -> None:
    raise Terminated
