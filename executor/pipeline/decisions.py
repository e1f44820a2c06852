"""Whether a job runs in this pipeline, and as what: its `rules`, or `only` and `except`, and `when`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from executor.pipeline.drafts import rule_variables
from executor.pipeline.durations import parse_duration
from executor.pipeline.policies import except_holds, only_holds
from executor.pipeline.problems import invalid
from executor.pipeline.rules import JOB_RULES, WORKFLOW_RULES, matching_rule
from executor.pipeline.variables import Variable, read_variables
from executor.pipeline.yaml_nodes import MapNode, ScalarNode, as_bool, as_integers, as_map, as_text, one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.pipeline.drafts import Draft
    from executor.pipeline.facts import Facts
    from executor.pipeline.yaml_nodes import Node

WHEN = ("on_success", "on_failure", "always", "manual", "delayed")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`reason` says why the job does not run, empty if it does. `needs` are those of the rule, if it has any.

    `elsewhere`: GitLab would run the job, but its kind cannot be run here.
    """

    reason: str = ""
    elsewhere: bool = False
    when: str = "on_success"
    allow_failure: bool | tuple[int, ...] = False
    variables: dict[str, Variable] = field(default_factory=dict)
    needs: Node | None = None


def decide(draft: Draft, facts: Facts, *, workflow_rules: bool) -> Decision:
    """Ask the rules. `workflow_rules`: the workflow has rules, which takes the default of `only` away."""
    job, label = draft.keywords, draft.label
    _check_start_in(job, label)
    when = job.get("when")
    own = Decision(
        when="on_success" if when is None else one_of(when, f"{label} when", WHEN),
        allow_failure=_allow_failure(job, label),
    )
    rules = job.get("rules")
    variables = rule_variables(draft, facts.given)
    if rules is not None:
        return _by_rules(rules, draft, facts, variables, own)
    return _by_policies(draft, facts, variables, own, workflow_rules=workflow_rules)


def _allow_failure(job: MapNode, label: str) -> bool | tuple[int, ...]:
    """A manual job may fail, unless it says otherwise."""
    node = job.get("allow_failure")
    if node is None:
        when = job.get("when")
        return isinstance(when, ScalarNode) and when.value == "manual"
    return _read_allow_failure(node, f"{label}:allow_failure")


def _read_allow_failure(node: Node, label: str) -> bool | tuple[int, ...]:
    """True or false, or the exit codes that are allowed."""
    if not isinstance(node, MapNode):
        return as_bool(node, label)
    codes = node.get("exit_codes")
    if codes is None or set(node.fields) != {"exit_codes"}:
        raise invalid(node.at, f"{label} config should be a boolean, or a hash with `exit_codes`")
    return as_integers(codes, f"{label}:exit_codes")


def _check_start_in(job: MapNode, label: str) -> None:
    when, start_in = job.get("when"), job.get("start_in")
    delayed = isinstance(when, ScalarNode) and when.value == "delayed"
    if delayed and (start_in is None or parse_duration(as_text(start_in, f"{label}:start_in")) is None):
        raise invalid(job.position("when"), f"{label} start in should be a duration", fix="Add `start_in: 30 minutes`.")


def _by_rules(rules: Node, draft: Draft, facts: Facts, variables: Mapping[str, str], own: Decision) -> Decision:
    for key in ("only", "except"):
        if draft.keywords.get(key) is not None:
            raise invalid(draft.keywords.position(key), f"{draft.label} config key may not be used with `rules`: {key}")
    rule = matching_rule(rules, draft.label, facts, variables, JOB_RULES)
    place = draft.keywords.position("rules")
    if rule is None:
        return Decision(reason=f"no rule matches ({place})")
    node = rule.get("when")
    when = own.when if node is None else one_of(node, f"{draft.label}:rules:rule when", JOB_RULES.when)
    if when == "never":
        return Decision(reason=f"a rule says `when: never` ({rule.at})")
    return _from_rule(rule, when, own, f"{draft.label}:rules:rule")


def _from_rule(rule: MapNode, when: str, own: Decision, label: str) -> Decision:
    variables, allow_failure = rule.get("variables"), rule.get("allow_failure")
    return Decision(
        when=when,
        allow_failure=own.allow_failure if allow_failure is None else as_bool(allow_failure, f"{label}:allow_failure"),
        variables={} if variables is None else read_variables(variables, f"{label}:variables"),
        needs=rule.get("needs"),
    )


def _by_policies(
    draft: Draft, facts: Facts, variables: Mapping[str, str], own: Decision, *, workflow_rules: bool
) -> Decision:
    only, except_ = draft.keywords.get("only"), draft.keywords.get("except")
    asked = only is not None or not workflow_rules
    if asked and not only_holds(only, f"{draft.label}:only", facts, variables):
        place = draft.keywords.position("only") if only is not None else draft.at
        return Decision(reason=f"`only` does not match ({place})")
    if except_ is not None and except_holds(except_, f"{draft.label}:except", facts, variables):
        return Decision(reason=f"`except` matches ({draft.keywords.position('except')})")
    return own


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """Whether the pipeline runs at all, and the variables its rule adds."""

    runs: bool = True
    has_rules: bool = False
    variables: dict[str, Variable] = field(default_factory=dict)


def decide_workflow(root: MapNode, facts: Facts, globals_: Mapping[str, Variable]) -> Workflow:
    """Ask `workflow:rules`; without rules the pipeline runs."""
    node = root.get("workflow")
    rules = None if node is None else as_map(node, "workflow").get("rules")
    if rules is None:
        return Workflow()
    known = {name: variable.value for name, variable in globals_.items()} | dict(facts.given)
    rule = matching_rule(rules, "workflow", facts, known, WORKFLOW_RULES)
    when = None if rule is None else rule.get("when")
    if rule is None or (isinstance(when, ScalarNode) and when.value == "never"):
        return Workflow(runs=False, has_rules=True)
    added = rule.get("variables")
    variables = {} if added is None else read_variables(added, "workflow:rules:rule:variables")
    return Workflow(has_rules=True, variables=variables)
