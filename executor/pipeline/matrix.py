"""`parallel`: one job written, several jobs run, named as GitLab names them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from executor.pipeline.problems import invalid
from executor.pipeline.yaml_nodes import ListNode, MapNode, as_int, as_text

if TYPE_CHECKING:
    from executor.pipeline.yaml_nodes import Node

MAX_INSTANCES = 200


@dataclass(frozen=True)
class Instance:
    """One of the jobs: its name, the variables of its cell, and CI_NODE_INDEX and CI_NODE_TOTAL."""

    name: str
    cell: dict[str, str] = field(default_factory=dict)
    node: dict[str, str] = field(default_factory=dict)


def instances(name: str, parallel: Node | None) -> list[Instance]:
    """The jobs that `parallel` makes of `name`; just the one without it."""
    if parallel is None:
        return [Instance(name)]
    label = f"jobs:{name}:parallel"
    if isinstance(parallel, MapNode):
        cells = matrix_cells(parallel, label)
        return [Instance(cell_name(name, cell), cell, _node(i, len(cells))) for i, cell in enumerate(cells, 1)]
    total = as_int(parallel, label)
    if not 1 <= total <= MAX_INSTANCES:
        raise invalid(parallel.at, f"{label} config must be between 1 and {MAX_INSTANCES}")
    return [Instance(f"{name} {i}/{total}", {}, _node(i, total)) for i in range(1, total + 1)]


def cell_name(name: str, cell: dict[str, str]) -> str:
    """`name: [a, b]`, the values in the order in which the variables are written."""
    return f"{name}: [{', '.join(cell.values())}]"


def matrix_cells(parallel: MapNode, label: str) -> list[dict[str, str]]:
    """Every combination of `matrix`, in GitLab's order: the last variable of an entry changes fastest."""
    matrix = parallel.get("matrix")
    if not isinstance(matrix, ListNode) or not matrix.items or set(parallel.fields) != {"matrix"}:
        raise invalid(parallel.at, f"{label} should be an integer, or a hash with `matrix` as an array of hashes")
    cells = [cell for entry in matrix.items for cell in _entry_cells(entry, f"{label}:matrix")]
    if len(cells) > MAX_INSTANCES:
        raise invalid(matrix.at, f"{label}:matrix config generates too many jobs (maximum is {MAX_INSTANCES})")
    return cells


def _entry_cells(entry: Node, label: str) -> list[dict[str, str]]:
    if not isinstance(entry, MapNode) or not entry.fields:
        raise invalid(entry.at, f"{label} config should be a hash of variables")
    values = [_values(value, f"{label}:{name}") for name, value in entry.fields.items()]
    size = 1
    for choices in values:
        size *= len(choices)
    if size > MAX_INSTANCES:
        raise invalid(entry.at, f"{label} config generates too many jobs (maximum is {MAX_INSTANCES})")
    return [dict(zip(entry.fields, choice, strict=True)) for choice in product(*values)]


def _values(node: Node, label: str) -> tuple[str, ...]:
    items = node.items if isinstance(node, ListNode) else (node,)
    if not items:
        raise invalid(node.at, f"{label} config can not be an empty array")
    return tuple(as_text(item, label) for item in items)


def _node(index: int, total: int) -> dict[str, str]:
    return {"CI_NODE_INDEX": str(index), "CI_NODE_TOTAL": str(total)}
