"""`variables:` of the configuration, of jobs and of rules, and their use in paths and names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor.pipeline.problems import did_you_mean, invalid
from executor.pipeline.yaml_nodes import MapNode, as_bool, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.pipeline.yaml_nodes import Node

_USE = re.compile(r"\$(\w+)|\$\{(\w+)\}|%(\w+)%")
_ROOT_KEYS = ("value", "description", "options", "expand")
_JOB_KEYS = ("value", "expand")


@dataclass(frozen=True)
class Variable:
    """A value, unexpanded. `raw` is `expand: false`."""

    value: str
    raw: bool = False


def read_variables(node: Node, label: str, *, root: bool = False) -> dict[str, Variable]:
    """The map `node` as variables. Only at the root may they have a description and options."""
    if not isinstance(node, MapNode):
        raise invalid(node.at, f"{label} config should be a hash of key value pairs, value can be a hash")
    allowed = _ROOT_KEYS if root else _JOB_KEYS
    return {name: _variable(value, f"{label}:{name}", allowed) for name, value in node.given()}


def _variable(node: Node, label: str, allowed: tuple[str, ...]) -> Variable:
    if not isinstance(node, MapNode):
        return Variable(as_text(node, label))
    for key in node.fields:
        if key not in allowed:
            raise invalid(
                node.position(key), f"{label} config uses invalid data keys: {key}.{did_you_mean(key, allowed)}"
            )
    value, expand = node.get("value"), node.get("expand")
    raw = expand is not None and not as_bool(expand, f"{label}:expand")
    text = "" if value is None else as_text(value, f"{label}:value")
    _check_options(node, text, label)
    return Variable(text, raw)


def _check_options(node: MapNode, value: str, label: str) -> None:
    options = node.get("options")
    if options is None:
        return
    items = getattr(options, "items", None)
    if not isinstance(items, tuple):
        raise invalid(options.at, f"{label}:options config should be an array of strings")
    if value not in [as_text(item, f"{label}:options") for item in items]:
        raise invalid(node.at, f"{label} config value must be present in options")


def expand_existing(text: str, variables: Mapping[str, str]) -> str:
    """`text` with `$NAME`, `${NAME}` and `%NAME%` replaced where the variable is defined."""

    def value(found: re.Match[str]) -> str:
        return variables.get(found[1] or found[2] or found[3], found[0])

    return _USE.sub(value, text)


def expand_nested(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables with uses of each other replaced; a circle is left as it is."""
    return {name: _expanded(name, variables, frozenset()) for name in variables}


def _expanded(name: str, variables: Mapping[str, str], above: frozenset[str]) -> str:
    above = above | {name}

    def value(found: re.Match[str]) -> str:
        used = found[1] or found[2] or found[3]
        known = used in variables and used not in above and len(above) < 20
        return _expanded(used, variables, above) if known else found[0]

    return _USE.sub(value, variables[name])
