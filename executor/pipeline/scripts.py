"""Scripts: strings and nested lists of strings, as one list that knows the line of each entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor.pipeline.problems import invalid
from executor.pipeline.yaml_nodes import ListNode, ScalarNode

if TYPE_CHECKING:
    from executor.pipeline.model import Position
    from executor.pipeline.yaml_nodes import Node

MAX_NESTING = 10


@dataclass(frozen=True)
class Script:
    """Commands and, entry by entry, where they are written."""

    lines: tuple[str, ...] = ()
    positions: tuple[Position, ...] = ()


def read_script(node: Node | None, label: str) -> Script:
    """`node` as a script; a missing one has no lines."""
    if node is None:
        return Script()
    entries = [_entry(item, label) for item in flatten(node, label)]
    return Script(tuple(text for text, _ in entries), tuple(at for _, at in entries))


def flatten(node: Node, label: str, level: int = 0) -> list[Node]:
    """The entries of nested lists in order; anything but a list is one entry."""
    if not isinstance(node, ListNode):
        return [node]
    if level >= MAX_NESTING:
        raise invalid(node.at, f"{label} config is nested more than {MAX_NESTING} levels deep")
    return [entry for item in node.items for entry in flatten(item, label, level + 1)]


def _entry(node: Node, label: str) -> tuple[str, Position]:
    if isinstance(node, ScalarNode) and isinstance(node.value, str):
        return node.value, node.at
    what = f"{label} config should be a string or a nested array of strings up to {MAX_NESTING} levels deep"
    fix = "A command with `: ` in it has to be quoted, or YAML reads it as a map."
    raise invalid(node.at, what, fix="" if isinstance(node, ScalarNode) else fix)
