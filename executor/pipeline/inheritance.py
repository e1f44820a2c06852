"""`extends` and `default`: what a job takes from others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.pipeline.keywords import INHERITABLE, ROOT_LEGACY
from executor.pipeline.problems import did_you_mean, invalid
from executor.pipeline.yaml_nodes import (
    ListNode,
    MapNode,
    ScalarNode,
    as_map,
    as_string_or_strings,
    as_strings,
    deep_merge,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.pipeline.yaml_nodes import Node

MAX_LEVELS = 10


def apply_extends(root: MapNode, left_out: Sequence[str]) -> MapNode:
    """`root` with every `extends` merged: later bases over earlier ones, the job's own keys over all.

    A base that is missing is an error, unless it may stand in an include that is not read here: then the job is marked.
    """
    extended = _Extender(root, left_out)
    fields = {key: extended.entry(key, ()) for key in root.fields}
    return MapNode(at=root.at, fields=fields, keys=root.keys)


class _Extender:
    def __init__(self, root: MapNode, left_out: Sequence[str]) -> None:
        self._root = root
        self._left_out = left_out
        self._known: dict[str, Node] = {}

    def entry(self, name: str, chain: tuple[str, ...]) -> Node:
        if name not in self._known:
            self._known[name] = self._extend(name, chain)
        return self._known[name]

    def _extend(self, name: str, chain: tuple[str, ...]) -> Node:
        node = self._root.fields[name]
        extends = node.get("extends") if isinstance(node, MapNode) else None
        if extends is None or not isinstance(node, MapNode):
            return node
        at = node.position("extends")
        if name in chain:
            raise invalid(at, f"{name}: circular dependency detected in `extends`")
        if len(chain) >= MAX_LEVELS:
            raise invalid(at, f"{name}: nesting too deep in `extends`")
        merged = MapNode(at=node.at)
        for base in as_string_or_strings(extends, f"jobs:{name}:extends"):
            merged = deep_merge(merged, self._base(base, name, extends, (*chain, name)))
        return deep_merge(merged, node)

    def _base(self, base: str, name: str, extends: Node, chain: tuple[str, ...]) -> MapNode:
        if base not in self._root.fields and self._left_out:
            return MapNode(at=extends.at, missing=f"`{base}` may stand in an include that is left out ({extends.at})")
        if base not in self._root.fields:
            raise invalid(
                extends.at, f"{name}: unknown keys in `extends` ({base}).{did_you_mean(base, self._root.fields)}"
            )
        entry = self.entry(base, chain)
        if not isinstance(entry, MapNode):
            raise invalid(extends.at, f"{name}: invalid base hashes in `extends` ({base})")
        return entry


def default_keywords(root: MapNode) -> MapNode:
    """The keywords that jobs inherit: `default:`, and the older form of the same keywords at the root."""
    legacy = {key: node for key, node in root.given() if key in ROOT_LEGACY}
    at_root = MapNode(at=root.at, fields=legacy, keys=root.keys)
    default = root.get("default")
    if default is None:
        return at_root
    given = as_map(default, "default")
    for key in given.fields:
        if key not in INHERITABLE:
            raise invalid(
                given.position(key), f"default config contains unknown keys: {key}.{did_you_mean(key, INHERITABLE)}"
            )
    return MapNode(at=given.at, fields={**legacy, **dict(given.given())}, keys={**root.keys, **given.keys})


def apply_default(job: MapNode, default: MapNode, label: str) -> MapNode:
    """`job` with the default keywords that it does not set itself and has not refused by `inherit:default`."""
    wanted = inherited(job, "default", tuple(default.fields), label)
    missing = {key: default.fields[key] for key in wanted if job.get(key) is None}
    places = {key: default.position(key) for key in missing}
    return MapNode(at=job.at, fields={**job.fields, **missing}, keys={**job.keys, **places})


def inherited(job: MapNode, kind: str, names: tuple[str, ...], label: str) -> tuple[str, ...]:
    """Those of `names` that the job inherits by `inherit:<kind>`: true, false or a list of names."""
    inherit = job.get("inherit")
    choice = None if inherit is None else as_map(inherit, f"{label}:inherit").get(kind)
    if choice is None:
        return names
    if isinstance(choice, ScalarNode) and isinstance(choice.value, bool):
        return names if choice.value else ()
    if not isinstance(choice, ListNode):
        raise invalid(choice.at, f"{label}:inherit:{kind} config should be a boolean or an array of strings")
    allowed = as_strings(choice, f"{label}:inherit:{kind}")
    return tuple(name for name in names if name in allowed)
