"""`artifacts:`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.pipeline.durations import parse_duration
from executor.pipeline.keywords import remark_unknown
from executor.pipeline.model import ArtifactsSpec
from executor.pipeline.problems import invalid
from executor.pipeline.yaml_nodes import (
    MapNode,
    as_bool,
    as_map,
    as_string,
    as_string_or_strings,
    as_strings,
    as_text,
    one_of,
)

if TYPE_CHECKING:
    from executor.pipeline.problems import Remarks
    from executor.pipeline.yaml_nodes import Node

WHEN = ("on_success", "on_failure", "always")
_KEYS = ("paths", "exclude", "untracked", "name", "when", "expire_in", "reports")
_INERT = {
    "access": "local artifacts belong to whoever runs the pipeline",
    "expose_as": "there is no merge request to show artifacts in",
    "public": "local artifacts belong to whoever runs the pipeline",
}
_REPORTS = (
    "accessibility", "annotations", "api_fuzzing", "browser_performance", "cluster_image_scanning", "codequality",
    "container_scanning", "coverage_fuzzing", "coverage_report", "cyclonedx", "dast", "dependency_scanning", "dotenv",
    "junit", "license_scanning", "load_performance", "lsif", "metrics", "performance", "repository_xray",
    "requirements", "requirements_v2", "sarif", "sast", "secret_detection", "terraform",
)  # fmt: skip


def read_artifacts(node: Node, label: str, remarks: Remarks) -> ArtifactsSpec:
    """The artifacts of a job."""
    given = as_map(node, label)
    remark_unknown(given, "artifacts", _KEYS, _INERT, remarks)
    paths, exclude, untracked = given.get("paths"), given.get("exclude"), given.get("untracked")
    name, when = given.get("name"), given.get("when")
    return ArtifactsSpec(
        paths=() if paths is None else as_strings(paths, f"{label}:paths"),
        exclude=() if exclude is None else as_strings(exclude, f"{label}:exclude"),
        untracked=untracked is not None and as_bool(untracked, f"{label}:untracked"),
        name="artifacts" if name is None else as_string(name, f"{label}:name"),
        when="on_success" if when is None else one_of(when, f"{label} when", WHEN),
        expire_in=_expire_in(given.get("expire_in"), label),
        reports=_reports(given.get("reports"), f"{label}:reports", remarks),
    )


def _expire_in(node: Node | None, label: str) -> str:
    if node is None:
        return ""
    text = as_text(node, f"{label}:expire_in")
    if text != "never" and parse_duration(text) is None:
        raise invalid(node.at, f"{label} expire in should be a duration", fix="Write for example `1 week` or `never`.")
    return text


def _reports(node: Node | None, label: str, remarks: Remarks) -> dict[str, tuple[str, ...]]:
    if node is None:
        return {}
    given = as_map(node, label)
    remark_unknown(given, "reports", _REPORTS, {}, remarks)
    return {kind: _report(value, f"{label}:{kind}") for kind, value in given.given() if kind in _REPORTS}


def _report(node: Node, label: str) -> tuple[str, ...]:
    """The paths of a report; `coverage_report` keeps its one path in a map beside the format."""
    if not isinstance(node, MapNode):
        return as_string_or_strings(node, label)
    path = node.get("path")
    if path is None:
        raise invalid(node.at, f"{label} config missing required keys: path")
    return as_string_or_strings(path, f"{label}:path")
