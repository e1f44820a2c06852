"""`image:` and `services:`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.pipeline.keywords import remark_unknown
from executor.pipeline.model import ImageSpec
from executor.pipeline.problems import invalid
from executor.pipeline.variables import read_variables
from executor.pipeline.yaml_nodes import ListNode, MapNode, as_map, as_string, as_string_or_strings, as_strings

if TYPE_CHECKING:
    from executor.pipeline.problems import Remarks
    from executor.pipeline.yaml_nodes import Node

PULL_POLICIES = ("always", "if-not-present", "never")
_IMAGE_KEYS = ("name", "entrypoint", "pull_policy", "docker")
_SERVICE_KEYS = (*_IMAGE_KEYS, "alias", "command", "variables")
_INERT = {
    "kubernetes": "these are options of the Kubernetes executor",
    "ports": "ports are opened for the web terminal of GitLab only",
}


def read_image(node: Node, label: str, remarks: Remarks) -> ImageSpec:
    """A name, or a map with `name`."""
    return _read(node, label, _IMAGE_KEYS, remarks)


def read_services(node: Node, label: str, remarks: Remarks) -> tuple[ImageSpec, ...]:
    """A list of names or maps."""
    if not isinstance(node, ListNode):
        raise invalid(node.at, f"{label} config should be an array")
    return tuple(_read(item, f"{label}:service", _SERVICE_KEYS, remarks) for item in node.items)


def _read(node: Node, label: str, keys: tuple[str, ...], remarks: Remarks) -> ImageSpec:
    if not isinstance(node, MapNode):
        return ImageSpec(name=_name(node, label))
    remark_unknown(node, label.rpartition(":")[2], keys, _INERT, remarks)
    name, alias, variables = node.get("name"), node.get("alias"), node.get("variables")
    if name is None:
        raise invalid(node.at, f"{label} config missing required keys: name")
    platform, user = _docker(node, label, remarks)
    values = {} if variables is None else read_variables(variables, f"{label}:variables")
    return ImageSpec(
        name=_name(name, f"{label}:name"),
        alias="" if alias is None else as_string(alias, f"{label}:alias"),
        entrypoint=_strings(node, "entrypoint", label),
        command=_strings(node, "command", label),
        pull_policy=_pull_policy(node, label),
        platform=platform,
        user=user,
        variables={key: variable.value for key, variable in values.items()},
    )


def _name(node: Node, label: str) -> str:
    name = as_string(node, label)
    if not name:
        raise invalid(node.at, f"{label} config can't be blank")
    return name


def _strings(node: MapNode, key: str, label: str) -> tuple[str, ...] | None:
    value = node.get(key)
    return None if value is None else as_strings(value, f"{label}:{key}")


def _pull_policy(node: MapNode, label: str) -> tuple[str, ...]:
    value = node.get("pull_policy")
    policies = () if value is None else as_string_or_strings(value, f"{label}:pull_policy")
    for policy in policies:
        if policy not in PULL_POLICIES:
            at = node.position("pull_policy")
            raise invalid(at, f"{label}:pull_policy config should be one of: {', '.join(PULL_POLICIES)}")
    return policies


def _docker(node: MapNode, label: str, remarks: Remarks) -> tuple[str, str]:
    """Platform and user of `docker:`."""
    value = node.get("docker")
    if value is None:
        return "", ""
    options = as_map(value, f"{label}:docker")
    remark_unknown(options, "docker", ("platform", "user"), {}, remarks)
    platform, user = options.get("platform"), options.get("user")
    return (
        "" if platform is None else as_string(platform, f"{label}:docker:platform"),
        "" if user is None else as_string(user, f"{label}:docker:user"),
    )
