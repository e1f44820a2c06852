"""`!reference [job, keyword]`: the value at that path, wherever it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.pipeline.keywords import RESERVED
from executor.pipeline.problems import did_you_mean, invalid
from executor.pipeline.yaml_nodes import ListNode, MapNode, ReferenceNode, check_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.errors import UsageError
    from executor.pipeline.yaml_nodes import Node

MAX_LEVELS = 10


def resolve_references(root: MapNode, left_out: Sequence[str] = ()) -> MapNode:
    """`root` with every `!reference` replaced by what it points at, nested up to ten levels.

    A reference in a list leaves a nested list behind: the keywords that allow it flatten it. What a reference points at
    has to exist, unless it may stand in an include that is not read here (`left_out`): then the job is marked.
    """
    resolver = _Resolver(root)
    fields = {key: _entry(resolver, key, node, left_out) for key, node in root.fields.items()}
    resolved = MapNode(at=root.at, fields=fields, keys=root.keys)
    check_size(resolved)
    return resolved


class _NotFoundError(Exception):
    """A reference that leads nowhere, with the error to show."""

    def __init__(self, reference: ReferenceNode, error: UsageError) -> None:
        super().__init__()
        self.reference = reference
        self.error = error


def _entry(resolver: _Resolver, key: str, node: Node, left_out: Sequence[str]) -> Node:
    """One entry of the root, whole or marked as incomplete."""
    try:
        return resolver.resolve(node, ())
    except _NotFoundError as failure:
        if not left_out or key in RESERVED:
            raise failure.error from None
        target = _written(failure.reference)
        at = failure.reference.at
        return MapNode(at=node.at, missing=f"{target} may stand in an include that is left out ({at})")


class _Resolver:
    def __init__(self, root: MapNode) -> None:
        self._root = root
        self._known: dict[int, Node] = {}

    def resolve(self, node: Node, chain: tuple[ReferenceNode, ...]) -> Node:
        if id(node) not in self._known:
            self._known[id(node)] = self._resolve(node, chain)
        return self._known[id(node)]

    def _resolve(self, node: Node, chain: tuple[ReferenceNode, ...]) -> Node:
        if isinstance(node, ReferenceNode):
            return self._follow(node, chain)
        if isinstance(node, ListNode):
            return ListNode(at=node.at, items=tuple(self.resolve(item, chain) for item in node.items))
        if isinstance(node, MapNode):
            fields = {key: self.resolve(value, chain) for key, value in node.fields.items()}
            return MapNode(at=node.at, fields=fields, keys=node.keys, missing=node.missing)
        return node

    def _follow(self, reference: ReferenceNode, chain: tuple[ReferenceNode, ...]) -> Node:
        if any(earlier.path == reference.path for earlier in chain):
            raise invalid(reference.at, f"{_written(reference)} is part of a circular chain")
        if len(chain) >= MAX_LEVELS:
            raise invalid(reference.at, f"{_written(reference)} is nested more than {MAX_LEVELS} levels deep")
        chain = (*chain, reference)
        return self.resolve(self._target(reference, chain), chain)

    def _target(self, reference: ReferenceNode, chain: tuple[ReferenceNode, ...]) -> Node:
        node: Node = self._root
        for part in reference.path:
            if isinstance(node, ReferenceNode):
                node = self._follow(node, chain)
            below = node.fields.get(part) if isinstance(node, MapNode) else None
            if below is None:
                raise _NotFoundError(reference, _not_found(reference, part, node))
            node = below
        return node


def _not_found(reference: ReferenceNode, part: str, node: Node) -> UsageError:
    hint = did_you_mean(part, node.fields) if isinstance(node, MapNode) else ""
    return invalid(reference.at, f"{_written(reference)} could not be found.{hint}")


def _written(reference: ReferenceNode) -> str:
    return f"!reference [{', '.join(reference.path)}]"
