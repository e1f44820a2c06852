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
    from executor.pipeline.facts import Facts
    from executor.pipeline.matrix import Instance
    from executor.pipeline.model import Position

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


def draft_jobs(root: MapNode, stages: tuple[str, ...], globals_: Mapping[str, Variable], facts: Facts) -> list[Draft]:
    """All visible jobs of the configuration, in order of the file, parallel ones as their instances."""
    visible = [key for key in root.fields if key not in RESERVED and not key.startswith(".")]
    if not visible and not facts.left_out:
        raise invalid(root.at, "jobs config should contain at least one visible job")
    drafter = _Drafter(root, stages, globals_, facts)
    return [draft for name in visible for draft in drafter.drafts(name)]


class _Drafter:
    """Takes the jobs of one configuration apart."""

    def __init__(self, root: MapNode, stages: tuple[str, ...], globals_: Mapping[str, Variable], facts: Facts) -> None:
        self._root = root
        self._stages = stages
        self._globals = globals_
        self._facts = facts
        self._default = default_keywords(root)
        remark_job_keywords(self._default, facts.remarks)

    def drafts(self, name: str) -> list[Draft]:
        """The job `name`, one draft an instance."""
        label, at, job = f"jobs:{name}", self._root.position(name), self._job(name)
        if job.missing:
            return [self._incomplete(name, at, job.missing)]
        remark_job_keywords(job, self._facts.remarks)
        keywords = apply_default(job, self._default, label)
        own = keywords.get("variables")
        variables = {key: self._globals[key] for key in inherited(job, "variables", tuple(self._globals), label)}
        variables |= {} if own is None else read_variables(own, f"{label}:variables")
        stage = self._stage(name, keywords, at)
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

    def _job(self, name: str) -> MapNode:
        node, at = self._root.fields[name], self._root.position(name)
        if not isinstance(node, MapNode):
            raise _no_job(name, at)
        if len(name) > MAX_NAME:
            raise invalid(at, f"jobs:{name[:40]}... name is too long (maximum is {MAX_NAME} characters)")
        if node.missing or any(node.get(key) is not None for key in ("script", "trigger", "run")):
            return node
        if self._facts.left_out:
            return MapNode(at=at, missing=f"its script may stand in an include that is left out ({at})")
        raise _no_job(name, at, node)

    def _incomplete(self, name: str, at: Position, missing: str) -> Draft:
        """A job that cannot be run, in the first stage so that everyone may need it."""
        keywords = MapNode(at=at, missing=missing)
        return Draft(name=name, written=name, at=at, stage=self._stages[0], keywords=keywords, variables={}, cell={})

    def _stage(self, name: str, job: MapNode, at: Position) -> str:
        node = job.get("stage")
        stage = "test" if node is None else as_string(node, f"jobs:{name}:stage")
        if stage not in self._stages:
            known = ", ".join(self._stages)
            what = f"{name} job: chosen stage `{stage}` does not exist; available stages are {known}."
            raise invalid(at if node is None else node.at, what + did_you_mean(stage, self._stages))
        return stage


def _no_job(name: str, at: Position, job: MapNode | None = None) -> UsageError:
    """What should have been a job: perhaps a misspelt keyword of the root, or of the job."""
    hints = [did_you_mean(key, ("script",)) for key in (job.fields if job else ())]
    hint = next(filter(None, hints), "") or did_you_mean(name, RESERVED)
    return invalid(at, f"jobs:{name} config should implement the script:, run:, or trigger: keyword.{hint}")


def _fixed(instance: Instance) -> dict[str, Variable]:
    return {key: Variable(value) for key, value in (instance.cell | instance.node).items()}


def rule_variables(draft: Draft, given: Mapping[str, str]) -> dict[str, str]:
    """What the rules of a job see: its name and stage, its variables, and above them those given from outside."""
    known = {"CI_JOB_NAME": draft.name, "CI_JOB_STAGE": draft.stage}
    known |= {name: variable.value for name, variable in draft.variables.items()} | dict(given)
    environment = draft.keywords.get("environment")
    name = environment.get("name") if isinstance(environment, MapNode) else environment
    if name is not None:
        known["CI_ENVIRONMENT_NAME"] = expand_existing(as_string(name, f"{draft.label}:environment:name"), known)
    return known
