"""The audit log: a line of JSON for each attempt to prepare a job, allowed or denied, and why.

It must never cost a job anything: what goes wrong here is a warning.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from executor.errors import OperatorError
from executor.job.variables import expand, last_entries
from executor.plan.policy import find_rule
from executor.sandbox.bounded_log import append
from executor.settings.folders import audit_file
from executor.settings.units import parse_bytes
from executor.terminal import log_warning

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from executor.errors import ExecutorError
    from executor.job.model import Job
    from executor.plan.model import Plan
    from executor.sandbox.attempt import Attempt

VERSION = 1
LONGEST_TEXT = 500
SHORTEST_SECRET = 8
HIDDEN = "[MASKED]"


def record_allowed(attempt: Attempt, plan: Plan) -> None:
    """Note what the job gets, before any of it is made."""
    containers = (plan.helper, plan.build, *(service.container for service in plan.services))
    facts = {
        "decision": "allowed",
        "why": f"policy {plan.rule}" if plan.rule else "no policy is for this job",
        "image": plan.build.image.name,
        "services": [service.container.image.name for service in plan.services],
        "privileged": any(container.host_config.get("Privileged", False) for container in containers),
        "volumes": [f"{mount.source}:{mount.target}:{mount.mode}" for mount in plan.build.mounts],
        "network": plan.network.name if plan.network else plan.helper.network_mode,
    }
    _record(attempt, facts, plan.rule)


def record_denied(attempt: Attempt, refusal: ExecutorError) -> None:
    """Note what the job asked for, and why it does not get it."""
    job, variables = attempt.context.job, attempt.host.variables
    facts = {
        "decision": "denied",
        "why": f"{refusal.what} {refusal.cause}".strip(),
        "image": expand(job.image.name, variables),
        "services": [expand(service.name, variables) for service in job.services],
    }
    rule = None
    with suppress(OperatorError):
        rule = find_rule(job, attempt.context.settings)
    _record(attempt, facts, rule.name if rule else "")


def _record(attempt: Attempt, facts: Mapping[str, Any], rule: str) -> None:
    """Write one line. GitLab's facts go in as they are; what the job's author chose, without its secrets."""
    audit = attempt.context.settings.audit
    if not audit.enabled:
        return
    secrets = _secrets(attempt.context.job, attempt.host.variables)
    path = audit_file(attempt.context.settings)
    line = json.dumps({**_who(attempt), "rule": rule, **{key: _harmless(fact, secrets) for key, fact in facts.items()}})
    try:
        append(path, line.encode() + b"\n", parse_bytes(audit.max_size))
    except OSError as error:
        log_warning(f"The audit log {path} cannot be written: {error.strerror}.")


def _who(attempt: Attempt) -> dict[str, Any]:
    job, runner = attempt.context.job, attempt.context.settings.runner
    return {
        "version": VERSION,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "job": job.id,
        "project": job.project_path,
        "project_id": job.project_id,
        "ref": job.ref,
        "protected": job.protected,
        "user": job.user,
        "runner": runner.name or runner.short_token,
        "attempt": os.path.basename(attempt.folder),
    }


def _harmless(fact: Any, secrets: Iterable[str]) -> Any:
    """A text short and without secrets, a list of them likewise; anything else as it is."""
    if isinstance(fact, list):
        return [_harmless(entry, secrets) for entry in fact]
    if not isinstance(fact, str):
        return fact
    for secret in secrets:
        fact = fact.replace(secret, HIDDEN)
    return fact if len(fact) <= LONGEST_TEXT else f"{fact[:LONGEST_TEXT]}…"


def _secrets(job: Job, variables: Mapping[str, str]) -> set[str]:
    """Every value that GitLab does not show to all, as it was given and as it became."""
    hidden = {key: entry.value for key, entry in last_entries(job.variables).items() if entry.masked}
    values = {*hidden.values(), *(variables.get(key, "") for key in (*hidden, *job.secret_names))}
    return {value for value in values if len(value) >= SHORTEST_SECRET}
