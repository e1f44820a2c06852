"""`executor prepare`: makes the job's sandbox, called by gitlab-runner before the first stage."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from executor.cli.options import split_options
from executor.engine.client import Engine
from executor.engine.endpoint import find_endpoint
from executor.errors import SUCCESS, Terminated
from executor.plan.plan import make_plan
from executor.sandbox.background import in_background
from executor.sandbox.context import load_context
from executor.sandbox.credentials import Credentials
from executor.sandbox.host import claim_host, new_key
from executor.sandbox.images import Images
from executor.sandbox.janitor import dead_jobs, sweep, sweep_is_due
from executor.sandbox.liveness import claim_of_caller
from executor.sandbox.prepare import Sandbox
from executor.sandbox.state import create_job_folder, load, save
from executor.sandbox.workplace import engine_facts
from executor.settings.folders import state_dir
from executor.stages.channel import Channel
from executor.terminal import log_warning

if TYPE_CHECKING:
    from executor.plan.model import Plan
    from executor.sandbox.context import Context
    from executor.sandbox.folders import BuildsFolder


def main(arguments: list[str]) -> int:
    """Plan the job and make it real. `cleanup` takes away what a failure leaves."""
    signal.signal(signal.SIGTERM, _terminated)
    options, _ = split_options(arguments)
    context = load_context(options, os.environ)
    state = state_dir(context.settings)
    folder = create_job_folder(state, new_key(context.job))
    engine = Engine(find_endpoint(context.settings.docker))
    plan = _plan(context, folder, engine)
    for warning in (*context.settings.warnings, *plan.warnings):
        log_warning(warning)
    for role in (plan.helper.role, plan.build.role):
        os.mkdir(f"{folder}/{role}", 0o700)
        Channel.create(f"{folder}/{role}/ctl")
    _sandbox(context, engine, plan, folder).build()
    save(folder, load(folder) | {"prepared": True})
    _clean_up_after_others(state, engine)
    return SUCCESS


def _clean_up_after_others(state: str, engine: Engine) -> None:
    """What crashes left, found at once and removed in the background."""
    dead = dead_jobs(state)
    if dead or sweep_is_due(state):
        in_background(lambda: sweep(state, engine, dead))


def _plan(context: Context, folder: str, engine: Engine) -> Plan:
    """The plan, with all that cleaning up needs stored before anything is made."""
    claim = claim_of_caller()
    save(folder, {"claim": claim, "engine": engine_facts(engine.endpoint)})
    host, builds = claim_host(context, os.environ, folder, claim["pid"])
    save(folder, _facts(claim, engine, builds))
    plan = make_plan(context.job, context.settings, host)
    save(folder, _facts(claim, engine, builds) | _planned(context, plan))
    return plan


def _facts(claim: dict[str, Any], engine: Engine, builds: BuildsFolder) -> dict[str, Any]:
    return {
        "claim": claim,
        "engine": engine_facts(engine.endpoint),
        "owner_file": builds.owner_file,
        "throw_away": "" if builds.reusable else os.path.dirname(builds.path),
    }


def _planned(context: Context, plan: Plan) -> dict[str, Any]:
    job = context.job
    return {
        "job": {"id": job.id, "name": job.name, "project": job.project_path, "ref": job.ref, "sha": job.sha},
        "containers": {plan.helper.role: plan.helper.name, plan.build.role: plan.build.name},
        "helper_image": plan.helper.image.name,
        "volume_keep": plan.keep_volumes,
    }


def _sandbox(context: Context, engine: Engine, plan: Plan, folder: str) -> Sandbox:
    from executor.job.environment import custom_environment
    from executor.job.variables import job_variables

    environment = custom_environment(os.environ)
    variables = job_variables(context.job, environment)
    images = Images(engine, Credentials(context.job, environment.get("DOCKER_AUTH_CONFIG", "")))
    return Sandbox(engine, images, plan, folder, variables)


def _terminated(*_: object) -> None:
    raise Terminated
