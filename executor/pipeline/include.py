"""`include`: other files of the repository, merged below the file that includes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from executor.pipeline.globs import wildcard_match
from executor.pipeline.inputs import interpolate, split_header
from executor.pipeline.model import Position
from executor.pipeline.problems import did_you_mean, invalid
from executor.pipeline.rules import INCLUDE_RULES, matching_rule
from executor.pipeline.variables import expand_existing
from executor.pipeline.yaml_loader import load_documents
from executor.pipeline.yaml_nodes import ListNode, MapNode, ScalarNode, as_map, as_string, check_size, deep_merge

if TYPE_CHECKING:
    from pathlib import Path

    from executor.pipeline.facts import Facts
    from executor.pipeline.yaml_nodes import Node

MAX_INCLUDES = 150
_ELSEWHERE = {
    "remote": "download the file into the repository and include it with `local`",
    "project": "copy the file into the repository and include it with `local`",
    "template": "copy GitLab's template into the repository and include it with `local`",
    "component": "copy the component's file into the repository and include it with `local`",
    "artifact": "it exists only after a job of GitLab has made it",
}
_KEYS = ("local", "rules", "inputs", "file", "ref", "job", "integrity", *_ELSEWHERE)


def load_configuration(root: Path, file: str, facts: Facts) -> MapNode:
    """`file` of the repository `root` with all its includes merged.

    Raises UsageError for a file that is missing, empty, outside of the repository or includes itself.
    """
    configuration = _Includer(root.resolve(), facts).load(file, None, ())
    check_size(configuration)
    return configuration


@dataclass
class _Includer:
    root: Path
    facts: Facts
    count: int = field(default=0)

    def load(self, file: str, inputs: MapNode | None, chain: tuple[str, ...]) -> MapNode:
        body = self._read(file, inputs)
        merged = MapNode(at=body.at)
        include = body.get("include")
        for entry in _entries(include):
            for part in self._entry(entry, (*chain, file)):
                merged = deep_merge(merged, part)
        return deep_merge(merged, body.without("include"))

    def _read(self, file: str, inputs: MapNode | None) -> MapNode:
        start = Position(file=file, line=1)
        try:
            text = (self.root / file).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise invalid(start, "The file is not UTF-8 text") from None
        except OSError as error:
            raise invalid(start, f"The file cannot be read: {error.strerror or 'unknown reason'}") from None
        header, body = split_header(load_documents(text, file, self.facts.remarks), start)
        return interpolate(as_map(body, "root"), header, inputs, start)

    def _entry(self, entry: Node, chain: tuple[str, ...]) -> list[MapNode]:
        if isinstance(entry, ScalarNode):
            path = as_string(entry, "include")
            kind = "remote" if path.startswith(("http://", "https://")) else "local"
            entry = MapNode(at=entry.at, fields={kind: entry}, keys={kind: entry.at})
        given = as_map(entry, "include")
        for key in given.fields:
            if key not in _KEYS:
                raise invalid(
                    given.position(key), f"include config contains unknown keys: {key}.{did_you_mean(key, _KEYS)}"
                )
        return self._files(given, chain) if self._wanted(given) else []

    def _wanted(self, entry: MapNode) -> bool:
        rules = entry.get("rules")
        if rules is None:
            return True
        rule = matching_rule(rules, "include", self.facts, self.facts.given, INCLUDE_RULES)
        when = None if rule is None else rule.get("when")
        return rule is not None and (when is None or as_string(when, "include:rules:rule when") != "never")

    def _files(self, entry: MapNode, chain: tuple[str, ...]) -> list[MapNode]:
        local, inputs = entry.get("local"), entry.get("inputs")
        if local is None:
            self._remark_elsewhere(entry)
            return []
        values = None if inputs is None else as_map(inputs, "include:inputs")
        return [self._include(path, local, values, chain) for path in self._paths(local)]

    def _remark_elsewhere(self, entry: MapNode) -> None:
        kind = next((key for key in _ELSEWHERE if key in entry.fields), None)
        if kind is None:
            raise invalid(entry.at, "include config should have one of: local, project, remote, template, component")
        self.facts.left_out.append(f"{entry.position(kind)}")
        self.facts.remarks.add(entry.position(kind), f"`include:{kind}` is not included here: {_ELSEWHERE[kind]}")

    def _paths(self, local: Node) -> list[str]:
        path = expand_existing(as_string(local, "include:local"), self.facts.given).removeprefix("/")
        if not path.endswith((".yml", ".yaml")):
            raise invalid(local.at, f"Included file `{path}` does not have YAML extension!")
        if "*" not in path:
            return [path]
        found = wildcard_match(path, self.facts.files.paths)
        if not found:
            self.facts.remarks.add(local.at, f"`include:local` matches no file: `{path}`")
        return found

    def _include(self, path: str, local: Node, inputs: MapNode | None, chain: tuple[str, ...]) -> MapNode:
        self.count += 1
        if self.count > MAX_INCLUDES:
            raise invalid(local.at, f"Maximum of {MAX_INCLUDES} nested includes are allowed!")
        if path in chain:
            raise invalid(local.at, f"`{path}` includes itself: {' -> '.join((*chain, path))}")
        target = (self.root / path).resolve()
        if not target.is_relative_to(self.root) or not target.is_file():
            raise invalid(local.at, f"Local file `{path}` does not exist!{did_you_mean(path, self.facts.files.paths)}")
        if not target.stat().st_size:
            raise invalid(local.at, f"Local file `{path}` is empty!")
        return self.load(path, inputs, chain)


def _entries(include: Node | None) -> tuple[Node, ...]:
    if include is None:
        return ()
    return include.items if isinstance(include, ListNode) else (include,)
