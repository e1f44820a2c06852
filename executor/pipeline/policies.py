"""`only` and `except`: the older way to choose when a job runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.pipeline.expressions import ExpressionError, is_true
from executor.pipeline.problems import did_you_mean, invalid
from executor.pipeline.regexes import compile_pattern
from executor.pipeline.variables import expand_existing
from executor.pipeline.yaml_nodes import ListNode, MapNode, as_string, as_strings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.pipeline.facts import Facts
    from executor.pipeline.yaml_nodes import Node

DEFAULT_ONLY = ("branches", "tags")
_KEYS = ("refs", "variables", "changes", "kubernetes")
_SOURCES = {
    "api": "api", "chat": "chat", "external": "external", "external_pull_requests": "external_pull_request_event",
    "merge_requests": "merge_request_event", "parent_pipelines": "parent_pipeline", "pipelines": "pipeline",
    "pushes": "push", "schedules": "schedule", "triggers": "trigger", "web": "web",
}  # fmt: skip


def only_holds(node: Node | None, label: str, facts: Facts, variables: Mapping[str, str]) -> bool:
    """Whether every condition of `only` holds; refs default to branches and tags."""
    conditions = {} if node is None else _conditions(node, label)
    refs = conditions.pop("refs", None)
    names = DEFAULT_ONLY if refs is None else as_strings(refs, f"{label}:refs")
    return _refs(names, variables) and all(
        _holds(key, value, label, facts, variables) for key, value in conditions.items()
    )


def except_holds(node: Node, label: str, facts: Facts, variables: Mapping[str, str]) -> bool:
    """Whether any condition of `except` holds."""
    return any(_holds(key, value, label, facts, variables) for key, value in _conditions(node, label).items())


def _conditions(node: Node, label: str) -> dict[str, Node]:
    if isinstance(node, ListNode):
        return {"refs": node}
    if not isinstance(node, MapNode):
        raise invalid(node.at, f"{label} has to be either an array of conditions or a hash")
    for key in node.fields:
        if key not in _KEYS:
            raise invalid(node.position(key), f"{label} config contains unknown keys: {key}.{did_you_mean(key, _KEYS)}")
    return dict(node.given())


def _holds(key: str, node: Node, label: str, facts: Facts, variables: Mapping[str, str]) -> bool:
    if key == "refs":
        return _refs(as_strings(node, f"{label}:refs"), variables)
    if key == "variables":
        return any(_expression(item, f"{label}:variables", variables) for item in _items(node, f"{label}:variables"))
    if key == "changes":
        patterns = [expand_existing(path, variables) for path in as_strings(node, f"{label}:changes")]
        return facts.changed(patterns, None)
    facts.remarks.add(
        node.at, f"`{label}:kubernetes` asks for a cluster of GitLab, which a local pipeline does not have"
    )
    return False


def _items(node: Node, label: str) -> tuple[Node, ...]:
    if not isinstance(node, ListNode):
        raise invalid(node.at, f"{label} config should be an array of strings")
    return node.items


def _expression(node: Node, label: str, variables: Mapping[str, str]) -> bool:
    try:
        return is_true(as_string(node, label), variables)
    except ExpressionError as error:
        raise invalid(node.at, f"{label} invalid expression syntax: {error}") from None


def _refs(names: tuple[str, ...], variables: Mapping[str, str]) -> bool:
    return any(_ref(name, variables) for name in names)


def _ref(name: str, variables: Mapping[str, str]) -> bool:
    """One entry such as `branches`, `schedules`, `main`, `/^release-/` or `main@group/project`."""
    pattern, _, project = name.partition("@")
    if project and project != variables.get("CI_PROJECT_PATH"):
        return False
    tag, source = variables.get("CI_COMMIT_TAG"), variables.get("CI_PIPELINE_SOURCE", "push")
    kind = "tags" if tag else "merge_requests" if source == "merge_request_event" else "branches"
    if pattern in (kind, source) or _SOURCES.get(pattern) == source:
        return True
    ref = tag or variables.get("CI_COMMIT_BRANCH") or variables.get("CI_COMMIT_REF_NAME", "")
    regex = compile_pattern(pattern)
    return regex.search(ref) is not None if regex else pattern == ref
