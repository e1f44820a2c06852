"""Puts a pipeline together: stages, workflow, drafts, decisions, needs, jobs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from executor.pipeline.decisions import decide, decide_workflow
from executor.pipeline.drafts import draft_jobs
from executor.pipeline.jobs import build_job
from executor.pipeline.keywords import remark_unknown
from executor.pipeline.model import Pipeline
from executor.pipeline.needs import JobNames, check_circles, read_dependencies, read_needs
from executor.pipeline.problems import invalid
from executor.pipeline.scripts import flatten
from executor.pipeline.variables import expand_existing, expand_nested, read_variables
from executor.pipeline.yaml_nodes import ListNode, as_map, as_string

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.pipeline.decisions import Decision, Workflow
    from executor.pipeline.drafts import Draft
    from executor.pipeline.facts import Facts
    from executor.pipeline.model import Need, PipelineJob
    from executor.pipeline.needs import PlacedNeed
    from executor.pipeline.yaml_nodes import MapNode, Node

    Needs = Mapping[str, tuple[PlacedNeed, ...] | None]

DEFAULT_STAGES = ("build", "test", "deploy")
_ELSEWHERE = {
    "trigger": "it would start a downstream pipeline, which is not run here; run that pipeline by itself",
    "run": "`run` steps are not run here; write the job with `script`",
}
_WORKFLOW_INERT = {"auto_cancel": "nothing cancels a local pipeline when a newer one starts"}


class Assembly:
    """One pipeline in the making; `configuration` has its includes, `extends` and references resolved."""

    def __init__(self, configuration: MapNode, facts: Facts) -> None:
        self._root = configuration
        self._facts = facts
        self._remarks = facts.remarks
        self._stages = _read_stages(configuration)
        node = configuration.get("variables")
        self._globals = {} if node is None else read_variables(node, "variables", root=True)

    def pipeline(self) -> Pipeline:
        """Every job checked, those that run kept."""
        workflow = decide_workflow(self._root, self._facts, self._globals)
        self._globals |= workflow.variables
        names = JobNames.of(draft_jobs(self._root, self._stages, self._globals, self._facts), self._stages)
        decisions = {name: self._decide(draft, workflow) for name, draft in names.drafts.items()}
        needs = self._needs(names, decisions)
        jobs = [self._job(draft, decisions, needs, names) for draft in names.drafts.values()]
        running = [job for job in jobs if job and not decisions[job.name].reason]
        name = self._name()
        self._remark_only_edges(running)
        return Pipeline(
            stages=self._stages,
            jobs=tuple(sorted(running, key=lambda job: self._stages.index(job.stage))),
            skipped={name: decision.reason for name, decision in decisions.items() if decision.reason},
            name=name,
            remarks=self._remarks.lines(),
        )

    def _decide(self, draft: Draft, workflow: Workflow) -> Decision:
        """The rules are asked in any case: their mistakes are found even if the job does not run."""
        decision = decide(draft, self._facts, workflow_rules=workflow.has_rules)
        if not workflow.runs:
            place = self._root.position("workflow")
            return replace(decision, reason=f"workflow rules keep the pipeline from running ({place})")
        return decision if decision.reason else self._elsewhere(draft, decision)

    def _elsewhere(self, draft: Draft, decision: Decision) -> Decision:
        """A job of a kind that is not run here, or of which a part is missing."""
        key = next((key for key in _ELSEWHERE if draft.keywords.get(key) is not None), "")
        if not key and not draft.keywords.missing:
            return decision
        place = draft.keywords.position(key)
        reason = f"{_ELSEWHERE[key]} ({place})" if key else draft.keywords.missing
        self._remarks.add(draft.at, f"job `{draft.written}` is not run: {reason}")
        return replace(decision, reason=reason, elsewhere=True)

    def _needs(self, names: JobNames, decisions: Mapping[str, Decision]) -> Needs:
        needs = {}
        for name, draft in names.drafts.items():
            node = decisions[name].needs or draft.keywords.get("needs")
            needs[name] = read_needs(draft, node, names, self._facts)
        check_circles({name: placed or () for name, placed in needs.items()})
        return needs

    def _job(
        self, draft: Draft, decisions: Mapping[str, Decision], needs: Needs, names: JobNames
    ) -> PipelineJob | None:
        """The job, also if it is skipped: its keywords are checked in any case. None if its kind is not run here."""
        placed, decision = needs[draft.name], decisions[draft.name]
        dependencies = read_dependencies(draft, placed, names, self._facts)
        if draft.keywords.get("script") is None:
            return None
        waits_for = None if placed is None or decision.reason else _present(draft, placed, decisions)
        takes_from = None if dependencies is None else tuple(n for n in dependencies if not decisions[n].reason)
        return build_job(draft, decision, waits_for, takes_from, self._remarks)

    def _name(self) -> str:
        """`workflow:name`, with the variables of the pipeline in it."""
        node = self._root.get("workflow")
        if node is None:
            return ""
        workflow = as_map(node, "workflow")
        remark_unknown(workflow, "workflow", ("name", "rules"), _WORKFLOW_INERT, self._remarks)
        name = workflow.get("name")
        if name is None:
            return ""
        known = {key: variable.value for key, variable in self._globals.items()} | dict(self._facts.given)
        return expand_existing(as_string(name, "workflow:name"), expand_nested(known)).strip()

    def _remark_only_edges(self, running: list[PipelineJob]) -> None:
        if running and all(job.stage in (".pre", ".post") for job in running):
            text = "all jobs are in `.pre` or `.post`: GitLab would not run this pipeline"
            self._remarks.add(running[0].position, text)


def _read_stages(root: MapNode) -> tuple[str, ...]:
    node = root.get("stages")
    written = DEFAULT_STAGES if node is None else _stage_names(node)
    return tuple(dict.fromkeys((".pre", *(name for name in written if name not in (".pre", ".post")), ".post")))


def _stage_names(node: Node) -> tuple[str, ...]:
    if not isinstance(node, ListNode):
        raise invalid(node.at, "stages config should be an array of strings")
    return tuple(as_string(item, "stages") for item in flatten(node, "stages"))


def _present(draft: Draft, needs: tuple[PlacedNeed, ...], decisions: Mapping[str, Decision]) -> tuple[Need, ...]:
    """The needs that are in this pipeline; one that rules have taken away has to be optional."""
    for placed in needs:
        missing = decisions[placed.need.job]
        if missing.reason and not missing.elsewhere and not placed.need.optional:
            name = placed.need.job
            what = (
                f"'{draft.name}' job needs '{name}' job, but '{name}' does not exist in the pipeline: {missing.reason}."
            )
            raise invalid(placed.at, what, fix="To need a job that sometimes does not exist, add `optional: true`.")
    return tuple(placed.need for placed in needs if not decisions[placed.need.job].reason)
