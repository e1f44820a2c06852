"""The remaining keywords of a job, and the job as the pipeline gives it away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.pipeline.artifacts import read_artifacts
from executor.pipeline.caches import read_caches
from executor.pipeline.durations import parse_duration
from executor.pipeline.images import read_image, read_services
from executor.pipeline.keywords import remark_unknown
from executor.pipeline.model import EnvironmentSpec, PipelineJob, RetrySpec
from executor.pipeline.problems import did_you_mean, invalid
from executor.pipeline.scripts import read_script
from executor.pipeline.yaml_nodes import (
    MapNode,
    as_int,
    as_integers,
    as_map,
    as_string,
    as_string_or_strings,
    as_text,
    one_of,
)

if TYPE_CHECKING:
    from executor.pipeline.decisions import Decision
    from executor.pipeline.drafts import Draft
    from executor.pipeline.model import Need
    from executor.pipeline.problems import Remarks
    from executor.pipeline.yaml_nodes import Node

MAX_RETRIES = 2
ACTIONS = ("start", "stop", "prepare", "verify", "access")
TIERS = ("production", "staging", "testing", "development", "other")
_RETRY_WHEN = (
    "always", "unknown_failure", "script_failure", "api_failure", "stuck_or_timeout_failure", "runner_system_failure",
    "runner_unsupported", "stale_schedule", "job_execution_timeout", "archived_failure", "unmet_prerequisites",
    "scheduler_failure", "data_integrity_failure",
)  # fmt: skip
_ENVIRONMENT_INERT = {
    "auto_stop_in": "no environment is stopped by a timer here",
    "kubernetes": "there is no GitLab agent here",
    "on_stop": "environments are stopped by GitLab only; run the stop job by name",
}


def build_job(
    draft: Draft,
    decision: Decision,
    needs: tuple[Need, ...] | None,
    dependencies: tuple[str, ...] | None,
    remarks: Remarks,
) -> PipelineJob:
    """The job of `draft` with every keyword read; raises UsageError for one of a wrong type."""
    job, label = draft.keywords, draft.label
    script = read_script(job.get("script"), f"{label}:script")
    image, services, cache = job.get("image"), job.get("services"), job.get("cache")
    artifacts, tags = job.get("artifacts"), job.get("tags")
    variables = draft.variables | decision.variables
    if not any(script.lines):
        raise invalid(job.position("script"), f"{label}:script config can't be blank")
    return PipelineJob(
        name=draft.name,
        stage=draft.stage,
        position=draft.at,
        script=script.lines,
        script_positions=script.positions,
        before_script=read_script(job.get("before_script"), f"{label}:before_script").lines,
        after_script=read_script(job.get("after_script"), f"{label}:after_script").lines,
        image=None if image is None else read_image(image, f"{label}:image", remarks),
        services=() if services is None else read_services(services, f"{label}:services", remarks),
        variables={name: variable.value for name, variable in variables.items()},
        raw_variables=frozenset(name for name, variable in variables.items() if variable.raw),
        cache=() if cache is None else read_caches(cache, f"{label}:cache", remarks),
        artifacts=None if artifacts is None else read_artifacts(artifacts, f"{label}:artifacts", remarks),
        needs=needs,
        dependencies=dependencies,
        when=decision.when,
        allow_failure=decision.allow_failure,
        retry=_retry(job.get("retry"), f"{label}:retry", remarks),
        timeout=_timeout(job.get("timeout"), label),
        tags=() if tags is None else as_string_or_strings(tags, f"{label}:tags"),
        environment=_environment(job.get("environment"), f"{label}:environment", remarks),
        pre_get_sources_script=_hook(job.get("hooks"), f"{label}:hooks", remarks),
    )


def _retry(node: Node | None, label: str, remarks: Remarks) -> RetrySpec:
    if node is None:
        return RetrySpec()
    if not isinstance(node, MapNode):
        return RetrySpec(max=_retries(node, label))
    for key in node.fields:
        if key not in ("max", "when", "exit_codes"):
            raise invalid(node.position(key), f"{label} config contains unknown keys: {key}")
    limit, when, codes = node.get("max"), node.get("when"), node.get("exit_codes")
    words = () if when is None else as_string_or_strings(when, f"{label}:when")
    for word in words:
        if word not in _RETRY_WHEN:
            hint = did_you_mean(word, _RETRY_WHEN)
            remarks.add(node.position("when"), f"`retry:when` does not know `{word}`, it never applies here.{hint}")
    return RetrySpec(
        max=0 if limit is None else _retries(limit, f"{label}:max"),
        when=words,
        exit_codes=() if codes is None else as_integers(codes, f"{label}:exit_codes"),
    )


def _retries(node: Node, label: str) -> int:
    count = as_int(node, label)
    if not 0 <= count <= MAX_RETRIES:
        raise invalid(node.at, f"{label} config must be between 0 and {MAX_RETRIES}")
    return count


def _timeout(node: Node | None, label: str) -> int:
    if node is None:
        return 0
    seconds = parse_duration(as_text(node, f"{label}:timeout"))
    if seconds is None:
        raise invalid(node.at, f"{label}:timeout config should be a duration", fix="Write for example `1h 30m`.")
    return seconds


def _environment(node: Node | None, label: str, remarks: Remarks) -> EnvironmentSpec | None:
    if node is None:
        return None
    if not isinstance(node, MapNode):
        return EnvironmentSpec(name=as_string(node, label))
    remark_unknown(node, "environment", ("name", "url", "action", "deployment_tier"), _ENVIRONMENT_INERT, remarks)
    name, url, action, tier = (node.get(key) for key in ("name", "url", "action", "deployment_tier"))
    if name is None:
        raise invalid(node.at, f"{label} name can't be blank")
    return EnvironmentSpec(
        name=as_string(name, f"{label}:name"),
        url="" if url is None else as_string(url, f"{label}:url"),
        action="start" if action is None else one_of(action, f"{label} action", ACTIONS),
        tier="" if tier is None else one_of(tier, f"{label} deployment tier", TIERS),
    )


def _hook(node: Node | None, label: str, remarks: Remarks) -> tuple[str, ...]:
    if node is None:
        return ()
    hooks = as_map(node, label)
    remark_unknown(hooks, "hooks", ("pre_get_sources_script",), {}, remarks)
    return read_script(hooks.get("pre_get_sources_script"), f"{label}:pre_get_sources_script").lines
