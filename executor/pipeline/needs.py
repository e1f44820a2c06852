"""`needs` and `dependencies`: which jobs a job waits for, and whose artifacts it takes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from executor.pipeline.matrix import cell_name, matrix_cells
from executor.pipeline.model import Need
from executor.pipeline.problems import did_you_mean, invalid
from executor.pipeline.scripts import flatten
from executor.pipeline.yaml_nodes import ListNode, MapNode, ScalarNode, as_bool, as_string, as_strings

if TYPE_CHECKING:
    from executor.pipeline.drafts import Draft
    from executor.pipeline.facts import Facts
    from executor.pipeline.model import Position
    from executor.pipeline.yaml_nodes import Node

_KEYS = ("job", "artifacts", "optional", "parallel", "pipeline", "project", "ref")


@dataclass(frozen=True, kw_only=True)
class PlacedNeed:
    """A need and where it is written."""

    need: Need
    at: Position


@dataclass(frozen=True, kw_only=True)
class JobNames:
    """All jobs of the configuration: drafts by name, and the names of the instances of each written job."""

    drafts: dict[str, Draft]
    instances: dict[str, list[str]] = field(default_factory=dict)
    stages: tuple[str, ...] = ()

    @classmethod
    def of(cls, drafts: list[Draft], stages: tuple[str, ...]) -> JobNames:
        """Collect the names of `drafts`."""
        instances: dict[str, list[str]] = {}
        for draft in drafts:
            instances.setdefault(draft.written, []).append(draft.name)
        return cls(drafts={draft.name: draft for draft in drafts}, instances=instances, stages=stages)

    def expand(self, name: str) -> list[str]:
        """The names of all instances of a written job; any other name is itself."""
        return self.instances.get(name, [name])


def read_needs(draft: Draft, node: Node | None, names: JobNames, facts: Facts) -> tuple[PlacedNeed, ...] | None:
    """The needs of a job, checked: every one exists, in the same or an earlier stage. None without `needs`."""
    if node is None:
        return None
    label = f"{draft.label}:needs"
    if not isinstance(node, ListNode):
        raise invalid(node.at, f"{label} config can only be a hash or an array")
    placed = [need for item in flatten(node, label) for need in _need(item, label, draft, names, facts)]
    _check_duplicates(draft, placed)
    return tuple(need for need in placed if _check(draft, need, names, facts))


def _need(node: Node, label: str, draft: Draft, names: JobNames, facts: Facts) -> list[PlacedNeed]:
    if isinstance(node, ScalarNode):
        name = as_string(node, f"{label}:need")
        return [PlacedNeed(need=Need(job=each), at=node.at) for each in names.expand(name)]
    if not isinstance(node, MapNode):
        raise invalid(node.at, f"{label}:need has an unsupported type")
    for key in node.fields:
        if key not in _KEYS:
            raise invalid(
                node.position(key), f"{label}:need config contains unknown keys: {key}.{did_you_mean(key, _KEYS)}"
            )
    if "pipeline" in node.fields or "project" in node.fields:
        kind = "project" if "project" in node.fields else "pipeline"
        facts.remarks.add(
            node.position(kind), f"`needs:{kind}` takes artifacts from another pipeline, which are not fetched here"
        )
        return []
    return _job_need(node, f"{label}:need", draft, names)


def _job_need(node: MapNode, label: str, draft: Draft, names: JobNames) -> list[PlacedNeed]:
    job, artifacts, optional, parallel = (node.get(key) for key in ("job", "artifacts", "optional", "parallel"))
    if job is None:
        raise invalid(node.at, f"{label} job can't be blank")
    name = as_string(job, f"{label}:job")
    return [
        PlacedNeed(
            need=Need(
                job=each,
                artifacts=artifacts is None or as_bool(artifacts, f"{label}:artifacts"),
                optional=optional is not None and as_bool(optional, f"{label}:optional"),
            ),
            at=node.at,
        )
        for each in _instances(name, parallel, label, draft, names)
    ]


def _instances(name: str, parallel: Node | None, label: str, draft: Draft, names: JobNames) -> list[str]:
    if parallel is None:
        return names.expand(name)
    if not isinstance(parallel, MapNode):
        raise invalid(parallel.at, f"{label}:parallel config should be a hash with `matrix`")
    cells = matrix_cells(parallel, f"{label}:parallel")
    return [cell_name(name, {key: _from_own_cell(value, draft) for key, value in cell.items()}) for cell in cells]


def _from_own_cell(value: str, draft: Draft) -> str:
    """`$[[ matrix.NAME ]]` stands for the value of this job's own matrix."""
    for name, own in draft.cell.items():
        value = value.replace(f"$[[ matrix.{name} ]]", own).replace(f"$[[matrix.{name}]]", own)
    return value


def _check_duplicates(draft: Draft, needs: list[PlacedNeed]) -> None:
    counts = Counter(placed.need.job for placed in needs)
    repeated = [placed for placed in needs if counts[placed.need.job] > 1]
    if repeated:
        what = f"{draft.name} has the following needs duplicated: {repeated[0].need.job}."
        raise invalid(repeated[-1].at, what)


def _check(draft: Draft, placed: PlacedNeed, names: JobNames, facts: Facts) -> bool:
    """Whether the need exists; an optional one need not."""
    name = placed.need.job
    if name not in names.drafts:
        if not placed.need.optional:
            _missing(draft, name, "need", placed.at, names, facts)
        return False
    _check_stage(draft, name, "need", placed.at, names)
    return True


def _missing(draft: Draft, name: str, kind: str, at: Position, names: JobNames, facts: Facts) -> None:
    """A job nobody knows: an error, unless it may stand in an include that is not read here."""
    if not facts.left_out:
        hint = did_you_mean(name, [*names.instances, *names.drafts])
        raise invalid(at, f"{draft.name} job: undefined {kind}: {name}.{hint}")
    facts.remarks.add(at, f"{kind} `{name}` is not known and ignored: it may stand in an include that is left out")


def _check_stage(draft: Draft, name: str, kind: str, at: Position, names: JobNames) -> None:
    if names.stages.index(names.drafts[name].stage) > names.stages.index(draft.stage):
        raise invalid(at, f"{draft.name} job: {kind} {name} is not defined in current or prior stages")


def read_dependencies(
    draft: Draft, needs: tuple[PlacedNeed, ...] | None, names: JobNames, facts: Facts
) -> tuple[str, ...] | None:
    """The jobs whose artifacts are taken, checked; None for the default."""
    node = draft.keywords.get("dependencies")
    if node is None:
        return None
    written = as_strings(node, f"{draft.label}:dependencies")
    dependencies = [each for name in written for each in names.expand(name)]
    for name in dependencies:
        if name in names.drafts:
            _check_stage(draft, name, "dependency", node.at, names)
        else:
            _missing(draft, name, "dependency", node.at, names, facts)
    known = tuple(name for name in dependencies if name in names.drafts)
    _check_part_of_needs(draft, node.at, known, needs)
    return known


def _check_part_of_needs(
    draft: Draft, at: Position, dependencies: tuple[str, ...], needs: tuple[PlacedNeed, ...] | None
) -> None:
    if not needs:
        return
    missing = [name for name in dependencies if name not in {placed.need.job for placed in needs}]
    if missing:
        raise invalid(at, f"{draft.label} dependencies the {', '.join(missing)} should be part of needs")


def check_circles(needs: dict[str, tuple[PlacedNeed, ...]]) -> None:
    """Refuse jobs that wait for each other; `needs` holds those of every job."""
    done: set[str] = set()
    for name in needs:
        _walk(name, needs, done)


def _walk(start: str, needs: dict[str, tuple[PlacedNeed, ...]], done: set[str]) -> None:
    """Depth first without recursion: a chain of needs may be as long as the pipeline."""
    path: list[str] = []
    todo: list[tuple[str, bool]] = [(start, False)]
    while todo:
        name, leaving = todo.pop()
        if leaving:
            done.add(path.pop())
        elif name not in done:
            path.append(name)
            todo.append((name, True))
            for placed in needs.get(name, ()):
                if placed.need.job in path:
                    circle = " -> ".join((*path[path.index(placed.need.job) :], placed.need.job))
                    raise invalid(placed.at, f"The pipeline has circular dependencies: {circle}")
                todo.append((placed.need.job, False))
