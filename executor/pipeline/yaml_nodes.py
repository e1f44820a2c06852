"""YAML values that know their line, and the checks of their types in GitLab's words.

Nodes are never changed: anchors, `extends` and `!reference` share them, so a line number travels with its value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from executor.pipeline.problems import invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from executor.pipeline.model import Position

MAX_NODES = 100_000


@dataclass(frozen=True, kw_only=True)
class ScalarNode:
    """A string, number, boolean or null."""

    at: Position
    value: str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class ListNode:
    """A sequence."""

    at: Position
    items: tuple[Node, ...]


@dataclass(frozen=True, kw_only=True)
class ReferenceNode:
    """`!reference [a, b]`: a path from the top of the configuration."""

    at: Position
    path: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MapNode:
    """A mapping. `keys` holds the position of each key, `fields` the values in order of the file.

    `missing` says what the map lacks because an include is not read here; empty if it is complete.
    """

    at: Position
    fields: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Position] = field(default_factory=dict)
    missing: str = ""

    def given(self) -> Iterator[tuple[str, Node]]:
        """The fields that are not null: null takes a keyword away, as after `extends`."""
        return ((key, node) for key, node in self.fields.items() if not is_null(node))

    def get(self, key: str) -> Node | None:
        """The field `key`, None where it is missing or null."""
        node = self.fields.get(key)
        return None if node is None or is_null(node) else node

    def position(self, key: str) -> Position:
        """Where `key` is written, or where the map begins if it is not."""
        return self.keys.get(key, self.at)

    def without(self, *names: str) -> MapNode:
        """The same map, less these keys."""
        kept = {key: node for key, node in self.fields.items() if key not in names}
        return MapNode(at=self.at, fields=kept, keys=self.keys)


Node = ScalarNode | ListNode | MapNode | ReferenceNode


def is_null(node: Node) -> bool:
    """Whether the value is YAML's null (also: a key with nothing behind it)."""
    return isinstance(node, ScalarNode) and node.value is None


def deep_merge(base: MapNode, over: MapNode) -> MapNode:
    """`over` laid on `base`: maps are merged key by key, everything else is replaced."""
    fields = dict(base.fields)
    for key, node in over.fields.items():
        below = fields.get(key)
        both_maps = isinstance(below, MapNode) and isinstance(node, MapNode)
        fields[key] = deep_merge(below, node) if both_maps else node  # type: ignore[arg-type]
    missing = over.missing or base.missing
    return MapNode(at=over.at, fields=fields, keys={**base.keys, **over.keys}, missing=missing)


def check_size(root: Node) -> None:
    """Refuse a tree that would have more than MAX_NODES nodes once every alias and reference is written out."""
    if _written_out(root, {}) > MAX_NODES:
        raise invalid(root.at, f"The parsed YAML is too big: more than {MAX_NODES} nodes once aliases are written out")


def _written_out(node: Node, known: dict[int, int]) -> int:
    if id(node) not in known:
        known[id(node)] = 1 + sum(_written_out(child, known) for child in children(node))
    return known[id(node)]


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below `node`."""
    if isinstance(node, ListNode):
        return node.items
    return tuple(node.fields.values()) if isinstance(node, MapNode) else ()


def as_map(node: Node, label: str) -> MapNode:
    """`node` as a map; `label` is GitLab's name of the place, such as `jobs:test:cache`."""
    if not isinstance(node, MapNode):
        raise invalid(node.at, f"{label} config should be a hash")
    return node


def as_bool(node: Node, label: str) -> bool:
    """`node` as true or false."""
    if not isinstance(node, ScalarNode) or not isinstance(node.value, bool):
        raise invalid(node.at, f"{label} config should be a boolean value")
    return node.value


def as_int(node: Node, label: str) -> int:
    """`node` as a whole number."""
    if not isinstance(node, ScalarNode) or isinstance(node.value, bool) or not isinstance(node.value, int):
        raise invalid(node.at, f"{label} config should be an integer")
    return node.value


def as_string(node: Node, label: str) -> str:
    """`node` as a string that is not a number or boolean by mistake."""
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
        raise invalid(node.at, f"{label} config should be a string", fix=_quote_it(node))
    return node.value


def as_text(node: Node, label: str) -> str:
    """`node` as text, where GitLab takes numbers and booleans too."""
    if not isinstance(node, ScalarNode) or node.value is None:
        raise invalid(node.at, f"{label} config should be a string or a number")
    return str(node.value).lower() if isinstance(node.value, bool) else str(node.value)


def as_strings(node: Node, label: str) -> tuple[str, ...]:
    """`node` as a list of strings."""
    if not isinstance(node, ListNode):
        raise invalid(node.at, f"{label} config should be an array of strings")
    return tuple(as_string(item, label) for item in node.items)


def as_string_or_strings(node: Node, label: str) -> tuple[str, ...]:
    """`node` as a list of strings; a single string stands for a list of one."""
    return as_strings(node, label) if isinstance(node, ListNode) else (as_string(node, label),)


def as_integers(node: Node, label: str) -> tuple[int, ...]:
    """`node` as a list of whole numbers; a single one stands for a list of one."""
    items = node.items if isinstance(node, ListNode) else (node,)
    return tuple(as_int(item, label) for item in items)


def one_of(node: Node, label: str, words: tuple[str, ...]) -> str:
    """`node` as one of `words`."""
    word = as_string(node, label)
    if word not in words:
        raise invalid(node.at, f"{label} should be one of: {', '.join(words)}")
    return word


def _quote_it(node: Node) -> str:
    unquoted = isinstance(node, ScalarNode) and isinstance(node.value, bool | int | float)
    return "Put the value in quotes." if unquoted else ""
