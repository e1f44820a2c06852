"""`spec:inputs`: the header of a file, and `$[[ inputs.name ]]` in what follows it."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from executor.pipeline.problems import did_you_mean, invalid
from executor.pipeline.regexes import compile_pattern
from executor.pipeline.yaml_nodes import ListNode, MapNode, ReferenceNode, ScalarNode, as_map, as_string, is_null

if TYPE_CHECKING:
    from executor.pipeline.model import Position
    from executor.pipeline.regexes import compile_pattern
from executor.pipeline.yaml_nodes import Node

_BLOCK = re.compile(r"\$\[\[\s*inputs\.([\w-]+)\s*((?:\|[^\]]*?)?)\s*\]\]")
_TRUNCATE = re.compile(r"truncate\(\s*(\d+)\s*,\s*(\d+)\s*\)")


def split_header(documents: list[Node], start: Position) -> tuple[MapNode | None, Node]:
    """The header (`spec:` before `---`) and the body of a file."""
    present = [document for document in documents if not is_null(document)]
    if not present:
        raise invalid(start, "The file is empty", fix="Write at least one job with a `script`.")
    first = present[0]
    if len(present) == 2 and isinstance(first, MapNode) and "spec" in first.fields:
        return first, present[1]
    if len(present) > 1:
        raise invalid(
            present[1].at, "The file has more than one YAML document; only a `spec` header may stand before `---`"
        )
    return None, first


def interpolate(body: MapNode, header: MapNode | None, given: MapNode | None, start: Position) -> MapNode:
    """`body` with every `$[[ inputs.name ]]` replaced by the value given, or the default of the header."""
    if header is None:
        if given is not None and given.fields:
            raise invalid(start, "Given inputs not defined in the `spec` section of the included configuration file")
        return body
    values = _values(header, given)
    replaced = _Interpolation(values).replace(body)
    return as_map(replaced, "root")


def _values(header: MapNode, given: MapNode | None) -> dict[str, Node]:
    spec = header.get("spec")
    inputs = None if spec is None else as_map(spec, "spec").get("inputs")
    definitions = MapNode(at=header.at) if inputs is None else as_map(inputs, "spec:inputs")
    given = given or MapNode(at=header.at)
    for name in given.fields:
        if name not in definitions.fields:
            raise invalid(
                given.position(name), f"unknown input arguments: {name}.{did_you_mean(name, definitions.fields)}"
            )
    return {name: _value(name, node, given, definitions.position(name)) for name, node in definitions.fields.items()}


def _value(name: str, definition: Node, given: MapNode, at: Position) -> Node:
    """The value of one input, checked against `options` and `regex`; its `type` is left to the keyword that uses it."""
    rules = definition if isinstance(definition, MapNode) else MapNode(at=at)
    value = given.get(name) or rules.get("default")
    if value is None:
        raise invalid(at, f"`{name}` input: required value has not been provided")
    options, regex = rules.get("options"), rules.get("regex")
    if isinstance(options, ListNode) and _text(value) not in [_text(option) for option in options.items]:
        raise invalid(
            value.at, f"`{name}` input: `{_text(value)}` cannot be used because it is not in the list of options"
        )
    if regex is not None and not _fits(_text(value), as_string(regex, f"spec:inputs:{name}:regex"), regex.at):
        raise invalid(value.at, f"`{name}` input: provided value does not match required RegEx pattern")
    return value


def _fits(text: str, pattern: str, at: Position) -> bool:
    regex = compile_pattern(pattern if pattern.startswith("/") else f"/{pattern.replace('/', chr(92) + '/')}/")
    if regex is None:
        raise invalid(at, f"`{pattern}` is no regular expression of RE2")
    return regex.search(text) is not None


def _text(node: Node) -> str:
    value = node.value if isinstance(node, ScalarNode) else ""
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Interpolation:
    def __init__(self, values: dict[str, Node]) -> None:
        self._values = values
        self._known: dict[int, Node] = {}

    def replace(self, node: Node) -> Node:
        if id(node) not in self._known:
            self._known[id(node)] = self._replace(node)
        return self._known[id(node)]

    def _replace(self, node: Node) -> Node:
        if isinstance(node, ListNode):
            return ListNode(at=node.at, items=tuple(self.replace(item) for item in node.items))
        if isinstance(node, MapNode):
            return self._map(node)
        if isinstance(node, ReferenceNode):
            return ReferenceNode(at=node.at, path=tuple(self._in_text(part, node) for part in node.path))
        return self._scalar(node)

    def _map(self, node: MapNode) -> MapNode:
        names = {key: self._in_text(key, node) for key in node.fields}
        fields = {names[key]: self.replace(value) for key, value in node.fields.items()}
        return MapNode(at=node.at, fields=fields, keys={names[key]: node.position(key) for key in names})

    def _scalar(self, node: ScalarNode) -> Node:
        """A value that is nothing but an input keeps the input's type; inside of text it becomes text."""
        if not isinstance(node.value, str):
            return node
        whole = _BLOCK.fullmatch(node.value.strip())
        if whole and not whole[2]:
            return self._input(whole[1], node)
        return ScalarNode(at=node.at, value=self._in_text(node.value, node))

    def _in_text(self, text: str, node: Node) -> str:
        return _BLOCK.sub(lambda found: self._filtered(found, node), text)

    def _filtered(self, found: re.Match[str], node: Node) -> str:
        value = _text(self._input(found[1], node))
        for name in filter(None, (part.strip() for part in found[2].split("|"))):
            truncate = _TRUNCATE.fullmatch(name)
            if truncate:
                value = value[int(truncate[1]) : int(truncate[1]) + int(truncate[2])]
            elif name == "posix_escape":
                value = shlex.quote(value)
            elif name != "expand_vars":  # the job's own shell expands what is left in the text
                raise invalid(
                    node.at, f"no function matching `{name}`: use truncate(offset, length), posix_escape or expand_vars"
                )
        return value

    def _input(self, name: str, node: Node) -> Node:
        if name not in self._values:
            raise invalid(node.at, f"unknown interpolation key: `{name}`.{did_you_mean(name, self._values)}")
        return self._values[name]
