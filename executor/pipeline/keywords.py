"""The keywords GitLab knows, and what to say of those that have no effect when a pipeline runs here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.pipeline.problems import did_you_mean

if TYPE_CHECKING:
    from executor.pipeline.problems import Remarks
    from executor.pipeline.yaml_nodes import MapNode

INHERITABLE = (
    "after_script", "artifacts", "before_script", "cache", "hooks", "id_tokens", "identity", "image", "interruptible",
    "retry", "services", "tags", "timeout",
)  # fmt: skip
ROOT_ONLY = ("default", "include", "spec", "stages", "variables", "workflow")
ROOT_LEGACY = ("after_script", "before_script", "cache", "image", "services")
RESERVED = (*ROOT_ONLY, *ROOT_LEGACY)

JOB_INERT = {
    "coverage": "the coverage of a job is read from its log by GitLab only",
    "dast_configuration": "DAST profiles exist on GitLab only",
    "id_tokens": "tokens are issued by GitLab only; set the variables by hand if the job needs them",
    "identity": "identity federation works on GitLab only",
    "inputs": "inputs of a job can be set on GitLab only; the defaults are used",
    "interruptible": "nothing cancels a local pipeline when a newer one starts",
    "manual_confirmation": "nobody is asked before a manual job starts",
    "pages": "nothing is published to GitLab Pages",
    "publish": "nothing is published to GitLab Pages",
    "release": "no release is created",
    "resource_group": "local jobs do not wait for other pipelines",
    "secrets": "secrets are fetched by GitLab's runner only; set the variables by hand if the job needs them",
    "start_in": "a delayed job is not delayed here",
}
JOB_KEYWORDS = (
    *JOB_INERT, "after_script", "allow_failure", "artifacts", "before_script", "cache", "dependencies", "environment",
    "except", "extends", "hooks", "image", "inherit", "needs", "only", "parallel", "retry", "rules", "run", "script",
    "services", "stage", "tags", "timeout", "trigger", "variables", "when",
)  # fmt: skip


def remark_job_keywords(job: MapNode, remarks: Remarks) -> None:
    """Say which keywords of a job are unknown, and which have no effect here."""
    for key, _ in job.given():
        if key in JOB_INERT:
            remarks.add(job.position(key), f"`{key}` has no effect here: {JOB_INERT[key]}")
        elif key not in JOB_KEYWORDS:
            remarks.add(
                job.position(key), f"unknown keyword `{key}`, GitLab refuses it.{did_you_mean(key, JOB_KEYWORDS)}"
            )


def remark_unknown(node: MapNode, label: str, known: tuple[str, ...], inert: dict[str, str], remarks: Remarks) -> None:
    """The same for the keys of a nested map; `inert` maps a key to why it has no effect."""
    for key, _ in node.given():
        if key in inert:
            remarks.add(node.position(key), f"`{label}:{key}` has no effect here: {inert[key]}")
        elif key not in known:
            hint = did_you_mean(key, (*known, *inert))
            remarks.add(node.position(key), f"unknown keyword `{label}:{key}`, GitLab refuses it.{hint}")
