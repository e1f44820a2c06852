"""One attempt to prepare a job: its folder, its place on the host, its Engine.

`config` begins it, so that the Engine can be at work while the runner comes round to `prepare`, which takes it over;
where the operator left `config` out, `prepare` begins it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executor.engine.client import Engine
from executor.engine.endpoint import find_endpoint
from executor.errors import OperatorError
from executor.sandbox.folders import BuildsFolder, passing_work
from executor.sandbox.handover import ask_for_handover
from executor.sandbox.host import builds_base, claim_builds, describe_host, new_key
from executor.sandbox.keeping import ask_to_keep
from executor.sandbox.liveness import claim_of_caller
from executor.sandbox.second_life import allow_attempts
from executor.sandbox.state import create_job_folder, linked_folder, load, save
from executor.sandbox.workplace import engine_facts
from executor.settings.folders import state_dir

if TYPE_CHECKING:
    from executor.plan.model import Host, Plan
    from executor.sandbox.context import Context


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What is settled before the plan. `folder` is the job's, in `state_dir`."""

    context: Context
    state_dir: str
    folder: str
    host: Host
    engine: Engine

    def note(self, facts: dict[str, Any]) -> None:
        """Add to the job's stored state."""
        save(self.folder, load(self.folder) | facts)

    def note_plan(self, plan: Plan) -> None:
        """Store what later calls need of the plan, before any of it is made."""
        job = self.context.job
        self.note(
            {
                "job": {"id": job.id, "name": job.name, "project": job.project_path, "ref": job.ref, "sha": job.sha},
                "containers": {plan.helper.role: plan.helper.name, plan.build.role: plan.build.name},
                "services": {service.container.name: list(service.aliases) for service in plan.services},
                "project_dir": self.host.variables.get("CI_PROJECT_DIR", ""),
                "cache": self.host.cache_host_dir,
                "helper_image": plan.helper.image.name,
                "volume_keep": plan.keep_volumes,
                "shared_processes": bool(plan.build.host_config.get("PidMode")),
            }
        )
        if plan.keep_seconds:
            ask_to_keep(self.folder, plan.keep_seconds)
        if plan.attempts > 1:
            allow_attempts(self.folder, plan.attempts)
        if plan.handover:
            ask_for_handover(self.folder, plan.handover)


def begin(context: Context) -> Attempt:
    """Begin an attempt. Its state is stored before anything else happens, and holds all that cleaning up needs."""
    state = state_dir(context.settings)
    folder = create_job_folder(state, new_key(context.job))
    claim, engine = claim_of_caller(context.job.timeout), Engine(find_endpoint(context.settings.docker))
    # The folder that a claim may make is named before there is one: nobody could tell whose it was.
    throw_away = os.path.dirname(passing_work(builds_base(context), folder))
    facts = {"claim": claim, "engine": engine_facts(engine.endpoint), "began": time.time(), "throw_away": throw_away}
    save(folder, facts)
    builds = claim_builds(context, os.environ, folder)
    save(folder, facts | {"builds": builds.path, "owner_file": builds.owner_file})
    return _attempt(context, state, folder, builds, claim["pid"], engine)


def take_over_or_begin(context: Context) -> Attempt:
    """The attempt that `config` began, else a new one."""
    folder = linked_folder()
    if folder is None or not os.path.exists(f"{folder}/state.json"):
        return begin(context)
    facts = load(folder)
    if "containers" in facts:
        raise OperatorError(
            "This job is prepared already.",
            cause="`prepare` was called twice for one attempt.",
            fix="Compare `[runners.custom]` with config.toml.example.",
        )
    builds = BuildsFolder(path=facts["builds"], owner_file=facts["owner_file"])
    engine = Engine(find_endpoint(context.settings.docker))
    return _attempt(context, state_dir(context.settings), folder, builds, facts["claim"]["pid"], engine)


def _attempt(
    context: Context, state: str, folder: str, builds: BuildsFolder, runner_pid: int, engine: Engine
) -> Attempt:
    host = describe_host(context, os.environ, folder, builds, runner_pid)
    return Attempt(context=context, state_dir=state, folder=folder, host=host, engine=engine)
