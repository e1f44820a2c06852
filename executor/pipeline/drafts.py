"""Jobs on their way: written in the configuration, parallel ones taken apart, rules not asked yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor.pipeline.inheritance import apply_default, default_keywords, inherited
from executor.pipeline.keywords import RESERVED, remark_job_keywords
from executor.pipeline.matrix import instances
from executor.pipeline.problems import did_you_mean, invalid
from executor.pipeline.variables import Variable, expand_existing, read_variables
from executor.pipeline.yaml_nodes import MapNode, as_string

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.errors import UsageError
    from executor.pipeline.matrix import Instance
    from executor.pipeline.model import Position
    from executor.pipeline.problems import Remarks
    from executor.pipeline.yaml_nodes import Node

MAX_NAME = 255


@dataclass(frozen=True, kw_only=True)
class Draft:
    """One job that could run. `written` is its name in the file, `keywords` have defaults and bases merged."""

    name: str
    written: str
    at: Position
    stage: str
    keywords: MapNode
    variables: dict[str, Variable]
    cell: dict[str, str]

    @property
    def label(self) -> str:
        """GitLab's name of the place, for messages."""
        return f"jobs:{self.written}"


def draft_jobs(
    root: MapNode, stages: tuple[str, ...], globals_: Mapping[str, Variable], remarks: Remarks
) -> list[Draft]:
    """All visible jobs of the configuration, in order of the file, parallel ones as their instances."""
    default = default_keywords(root)
    visible = {key: node for key, node in root.fields.items() if key not in RESERVED and not key.startswith(".")}
    if not visible:
        raise invalid(root.at, "jobs config should contain at least one visible job")
    jobs = {name: _job(name, node, root) for name, node in visible.items()}
    remark_job_keywords(default, remarks)
    drafts = [_draft(name, job, default, root, stages, globals_, remarks) for name, job in jobs.items()]
    return [draft for group in drafts for draft in group]


def _job(name: str, node: Node, root: MapNode) -> MapNode:
    at = root.position(name)
    if not isinstance(node, MapNode):
        raise _no_job(name, at)
    if len(name) > MAX_NAME:
        raise invalid(at, f"jobs:{name[:40]}... name is too long (maximum is {MAX_NAME} characters)")
    if all(node.get(key) is None for key in ("script", "trigger", "run")):
        raise _no_job(name, at, node)
    return node


def _no_job(name: str, at: Position, job: MapNode | None = None) -> UsageError:
    """What should have been a job: perhaps a misspelt keyword of the root, or of the job."""
    hints = [did_you_mean(key, ("script",)) for key in (job.fields if job else ())]
    hint = next(filter(None, hints), "") or did_you_mean(name, RESERVED)
    return invalid(at, f"jobs:{name} config should implement the script:, run:, or trigger: keyword.{hint}")


def _draft(
    name: str,
    job: MapNode,
    default: MapNode,
    root: MapNode,
    stages: tuple[str, ...],
    globals_: Mapping[str, Variable],
    remarks: Remarks,
) -> list[Draft]:
    label, at = f"jobs:{name}", root.position(name)
    remark_job_keywords(job, remarks)
    keywords = apply_default(job, default, label)
    stage = _stage(name, keywords, stages, at)
    own = keywords.get("variables")
    variables = {key: globals_[key] for key in inherited(job, "variables", tuple(globals_), label)}
    variables |= {} if own is None else read_variables(own, f"{label}:variables")
    return [
        Draft(
            name=instance.name,
            written=name,
            at=at,
            stage=stage,
            keywords=keywords,
            variables=variables | _fixed(instance),
            cell=instance.cell,
        )
        for instance in instances(name, keywords.get("parallel"))
    ]


def _fixed(instance: Instance) -> dict[str, Variable]:
    return {key: Variable(value) for key, value in (instance.cell | instance.node).items()}


def _stage(name: str, job: MapNode, stages: tuple[str, ...], at: Position) -> str:
    node = job.get("stage")
    stage = "test" if node is None else as_string(node, f"jobs:{name}:stage")
    if stage not in stages:
        place = at if node is None else node.at
        what = f"{name} job: chosen stage `{stage}` does not exist; available stages are {', '.join(stages)}."
        raise invalid(place, what + did_you_mean(stage, stages))
    return stage


def rule_variables(draft: Draft, given: Mapping[str, str]) -> dict[str, str]:
    """What the rules of a job see: its name and stage, its variables, and above them those given from outside."""
    known = {"CI_JOB_NAME": draft.name, "CI_JOB_STAGE": draft.stage}
    known |= {name: variable.value for name, variable in draft.variables.items()} | dict(given)
    environment = draft.keywords.get("environment")
    name = environment.get("name") if isinstance(environment, MapNode) else environment
    if name is not None:
        known["CI_ENVIRONMENT_NAME"] = expand_existing(as_string(name, f"{draft.label}:environment:name"), known)
    return known
