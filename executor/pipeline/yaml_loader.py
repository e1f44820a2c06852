"""YAML text to nodes with line numbers, read as GitLab reads it.

GitLab's YAML library applies `<<` where it stands: it overrides keys above it and is overridden by keys below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from executor.pipeline.model import Position
from executor.pipeline.problems import invalid
from executor.pipeline.yaml_nodes import ListNode, MapNode, ReferenceNode, ScalarNode, check_size

if TYPE_CHECKING:
    from executor.errors import UsageError
    from executor.pipeline.problems import Remarks
    from executor.pipeline.yaml_nodes import Node

MAX_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 100
_CORE = "tag:yaml.org,2002:"
_PLAIN_TAGS = {f"{_CORE}{name}" for name in ("int", "float", "bool", "null")}
_NATIVE_TAGS = {f"{_CORE}{name}" for name in ("str", "seq", "map", "value")}


class PipelineLoader(yaml.SafeLoader):
    """The safe loader; only its parser and scalars are used, so no tag can ever construct an object."""


def load_documents(text: str, file: str, remarks: Remarks) -> list[Node]:
    """Every YAML document of `text`. `file` is the path to name in messages.

    Raises UsageError with `file:line` for broken, endless or oversized YAML.
    """
    start = Position(file=file, line=1)
    if len(text.encode()) > MAX_BYTES:
        raise invalid(start, f"The file is too big: more than {MAX_BYTES} bytes")
    try:
        documents = _convert_all(text, file, remarks)
    except yaml.YAMLError as error:
        raise _syntax_error(error, file) from None
    except RecursionError:
        raise invalid(start, "The YAML is nested too deeply") from None
    for document in documents:
        check_size(document)
    return documents


def _convert_all(text: str, file: str, remarks: Remarks) -> list[Node]:
    loader = PipelineLoader(text)
    try:
        documents = []
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                documents.append(_Converter(loader, file, remarks).convert(node, 0))
        return documents
    finally:
        loader.dispose()


def _syntax_error(error: yaml.YAMLError, file: str) -> UsageError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    at = Position(file=file, line=mark.line + 1 if mark else 1)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    context = getattr(error, "context", None)
    return invalid(at, f"Invalid YAML: {problem}" + (f" {context}" if context else ""))


class _Converter:
    """One document. Aliases become the same node, so an expansion costs nothing until somebody writes it out."""

    def __init__(self, loader: PipelineLoader, file: str, remarks: Remarks) -> None:
        self._loader = loader
        self._file = file
        self._remarks = remarks
        self._known: dict[yaml.Node, Node] = {}
        self._open: set[yaml.Node] = set()

    def convert(self, node: yaml.Node, depth: int) -> Node:
        if node in self._known:
            return self._known[node]
        if node in self._open:
            raise invalid(self._at(node), "An alias contains itself")
        if depth > MAX_DEPTH:
            raise invalid(self._at(node), f"The YAML is nested more than {MAX_DEPTH} levels deep")
        self._open.add(node)
        self._known[node] = self._build(node, depth)
        self._open.remove(node)
        return self._known[node]

    def _build(self, node: yaml.Node, depth: int) -> Node:
        if isinstance(node, yaml.ScalarNode):
            return ScalarNode(at=self._at(node), value=self._scalar(node))
        if isinstance(node, yaml.SequenceNode):
            return self._list(node, depth)
        return self._map(node, depth)

    def _at(self, node: yaml.Node) -> Position:
        return Position(file=self._file, line=node.start_mark.line + 1)

    def _scalar(self, node: yaml.ScalarNode) -> str | int | float | bool | None:
        if node.tag in _PLAIN_TAGS:
            return self._plain(node)
        if node.tag == f"{_CORE}timestamp":
            raise invalid(self._at(node), f"`{node.value}` is a YAML date", fix="Put the value in quotes.")
        self._note_tag(node)
        return str(node.value)

    def _plain(self, node: yaml.ScalarNode) -> str | int | float | bool | None:
        try:
            value = self._loader.construct_object(node)
        except ValueError:
            raise invalid(self._at(node), f"`{node.value}` is not a {node.tag.removeprefix(_CORE)}") from None
        return value if isinstance(value, str | int | float | bool) else None

    def _note_tag(self, node: yaml.Node) -> None:
        if node.tag not in _NATIVE_TAGS:
            self._remarks.add(self._at(node), f"the YAML tag `{node.tag}` has no meaning here and is ignored")

    def _list(self, node: yaml.SequenceNode, depth: int) -> Node:
        if node.tag == "!reference":
            return ReferenceNode(at=self._at(node), path=tuple(self._path_part(part) for part in node.value))
        self._note_tag(node)
        return ListNode(at=self._at(node), items=tuple(self.convert(item, depth + 1) for item in node.value))

    def _path_part(self, part: yaml.Node) -> str:
        if not isinstance(part, yaml.ScalarNode):
            raise invalid(
                self._at(part), "`!reference` takes a list of keywords", fix="Write !reference [job, keyword]."
            )
        return str(part.value)

    def _map(self, node: yaml.Node, depth: int) -> MapNode:
        self._note_tag(node)
        result = MapNode(at=self._at(node))
        own: dict[str, Position] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_CORE}merge":
                self._merge(result, own, key_node, self.convert(value_node, depth + 1))
            else:
                self._field(result, own, key_node, self.convert(value_node, depth + 1))
        return result

    def _field(self, result: MapNode, own: dict[str, Position], key_node: yaml.Node, value: Node) -> None:
        key, at = self._key(key_node), self._at(key_node)
        if key in own:
            self._remarks.add(at, f"duplicate key `{key}` (also on line {own[key].line}): the last one counts")
        own[key] = at
        result.fields[key] = value
        result.keys[key] = at

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise invalid(self._at(node), "A key has to be a plain word, not a list or a map")
        value = self._scalar(node)
        if value is None:
            raise invalid(self._at(node), "A key is missing before the colon")
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _merge(self, result: MapNode, own: dict[str, Position], key_node: yaml.Node, value: Node) -> None:
        sources = value.items[::-1] if isinstance(value, ListNode) else (value,)
        for source in sources:
            if not isinstance(source, MapNode):
                raise invalid(self._at(key_node), "`<<` takes a map or a list of maps")
            self._note_overridden(own, source, key_node)
            result.fields.update(source.fields)
            result.keys.update(source.keys)

    def _note_overridden(self, own: dict[str, Position], source: MapNode, key_node: yaml.Node) -> None:
        for key in sorted(own.keys() & source.fields.keys()):
            text = f"`<<` overrides `{key}` of line {own[key].line}, as in GitLab: write `<<` above it"
            self._remarks.add(self._at(key_node), text)
