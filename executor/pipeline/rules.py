"""`rules`: the first rule whose clauses all hold decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor.pipeline.expressions import ExpressionError, is_true, parse_expression
from executor.pipeline.globs import any_match
from executor.pipeline.problems import did_you_mean, invalid
from executor.pipeline.scripts import flatten
from executor.pipeline.variables import expand_existing, expand_nested
from executor.pipeline.yaml_nodes import (
    ListNode,
    MapNode,
    as_map,
    as_string,
    as_string_or_strings,
    as_strings,
    one_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executor.pipeline.facts import Facts
    from executor.pipeline.problems import Remarks
    from executor.pipeline.yaml_nodes import Node

_INERT = {
    "auto_cancel": "nothing cancels a local pipeline when a newer one starts",
    "interruptible": "nothing cancels a local pipeline when a newer one starts",
    "start_in": "a delayed job is not delayed here",
}


@dataclass(frozen=True, kw_only=True)
class RuleKind:
    """What rules of one place may hold: the keys, and the words of `when`."""

    keys: tuple[str, ...]
    when: tuple[str, ...]


JOB_RULES = RuleKind(
    keys=("if", "changes", "exists", "when", "allow_failure", "variables", "needs", "start_in", "interruptible"),
    when=("on_success", "on_failure", "always", "never", "manual", "delayed"),
)
WORKFLOW_RULES = RuleKind(
    keys=("if", "changes", "exists", "when", "variables", "auto_cancel"), when=("always", "never")
)
INCLUDE_RULES = RuleKind(keys=("if", "changes", "exists", "when"), when=("always", "never"))


def matching_rule(node: Node, label: str, facts: Facts, variables: Mapping[str, str], kind: RuleKind) -> MapNode | None:
    """The first rule of `node` that holds for `variables`, or None.

    Every rule is checked, also behind the one that matches.
    """
    if not isinstance(node, ListNode):
        raise invalid(node.at, f"{label}:rules config should be an array of hashes")
    rules = [as_map(rule, f"{label}:rules:rule") for rule in flatten(node, f"{label}:rules")]
    for rule in rules:
        _check(rule, f"{label}:rules:rule", kind)
        _remark_inert(rule, facts.remarks)
    return next((rule for rule in rules if _holds(rule, f"{label}:rules:rule", facts, variables)), None)


def _check(rule: MapNode, label: str, kind: RuleKind) -> None:
    for key in rule.fields:
        if key not in kind.keys:
            hint = did_you_mean(key, kind.keys)
            raise invalid(rule.position(key), f"{label} config contains unknown keys: {key}.{hint}")
    when, condition = rule.get("when"), rule.get("if")
    word = "" if when is None else one_of(when, f"{label} when", kind.when)
    if (word == "delayed") != (rule.get("start_in") is not None):
        raise invalid(rule.at, f"{label} start in has to stand beside `when: delayed`, and only there")
    if condition is not None:
        _check_expression(condition, label)


def _check_expression(condition: Node, label: str) -> None:
    try:
        parse_expression(as_string(condition, f"{label}:if"))
    except ExpressionError as error:
        raise invalid(condition.at, f"{label} if invalid expression syntax: {error}") from None


def _remark_inert(rule: MapNode, remarks: Remarks) -> None:
    for key in rule.fields:
        if key in _INERT:
            remarks.add(rule.position(key), f"`rules:{key}` has no effect here: {_INERT[key]}")


def _holds(rule: MapNode, label: str, facts: Facts, variables: Mapping[str, str]) -> bool:
    condition, changes, exists = rule.get("if"), rule.get("changes"), rule.get("exists")
    if condition is not None and not is_true(as_string(condition, f"{label}:if"), variables):
        return False
    if changes is not None and not _changed(changes, f"{label}:changes", facts, variables):
        return False
    return exists is None or _exists(exists, f"{label}:exists", facts, variables)


def _changed(node: Node, label: str, facts: Facts, variables: Mapping[str, str]) -> bool:
    known = expand_nested(variables)
    if not isinstance(node, MapNode):
        return facts.changed(_expanded(as_strings(node, label), known), None)
    paths, compare_to = node.get("paths"), node.get("compare_to")
    if paths is None:
        raise invalid(node.at, f"{label} config missing required keys: paths")
    ref = None if compare_to is None else expand_existing(as_string(compare_to, f"{label}:compare_to"), known)
    return facts.changed(_expanded(as_strings(paths, f"{label}:paths"), known), ref)


def _exists(node: Node, label: str, facts: Facts, variables: Mapping[str, str]) -> bool:
    if not isinstance(node, MapNode):
        return any_match(_expanded(as_string_or_strings(node, label), variables), facts.files.paths)
    paths = node.get("paths")
    if paths is None:
        raise invalid(node.at, f"{label} config missing required keys: paths")
    if node.get("project") is not None:
        text = "`exists:project` looks into another project, which is not read here: the clause does not hold"
        facts.remarks.add(node.position("project"), text)
        return False
    return any_match(_expanded(as_string_or_strings(paths, f"{label}:paths"), variables), facts.files.paths)


def _expanded(patterns: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    return [expand_existing(pattern, variables) for pattern in patterns]
