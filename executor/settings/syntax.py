"""What to say about a text that is not TOML. Loaded only when that happened."""

from __future__ import annotations

import re

from executor.errors import OperatorError
from executor.settings.explain import as_toml
from executor.settings.known import is_secret, type_of

_POSITION = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")
_ASSIGNMENT = re.compile(r"\s*(?P<key>[A-Za-z0-9_-]+)\s*=\s*(?P<value>[^\s#\"'\[\]{},][^\s#\"'\[\]{},]*)\s*(?:#.*)?$")
_BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false", "true": "true", "false": "false"}


def syntax_error(path: str, text: str, error: Exception) -> OperatorError:
    """An error that names the line and, where no secret can be in it, shows it with what to write instead."""
    if isinstance(error, RecursionError):
        return OperatorError(f"{path}: arrays or tables are nested too deep.", fix="Flatten them.")
    position = _POSITION.search(str(error))
    if not position:
        return OperatorError(f"{path} is not TOML: a value in it cannot be read.", fix="Correct the value.")
    reason = str(error)[: position.start()]
    lines = text.splitlines()
    number = int(position[1]) if position[1] else max(len(lines), 1)
    return _explain(f"{path}, line {number}", reason, lines[number - 1] if number <= len(lines) else "")


def _explain(place: str, reason: str, line: str) -> OperatorError:
    assignment = _ASSIGNMENT.match(line)
    if reason == "Invalid value" or (assignment and reason.startswith("Expected newline or end of document")):
        if assignment and _may_be_shown(assignment["key"]):
            return _bare_value(place, assignment["key"], assignment["value"])
        return OperatorError(f"{place}: the value is not TOML.", fix="Write texts in quotes.")
    if reason == "Illegal character '\\n'":
        return OperatorError(f"{place}: a closing quote is missing.", fix="Close the text on the line it begins on.")
    if reason.startswith("Cannot"):
        return OperatorError(f"{place}: a key or section that is there already.", fix="Keep one of the two.")
    return OperatorError(f"{place}: this is not TOML: {_lower(reason)}, here or just above.", fix="Correct the line.")


def _bare_value(place: str, key: str, value: str) -> OperatorError:
    """Text without quotes, or a word for true or false: what to write goes by the key's type."""
    kind = type_of(key)
    if kind.startswith("bool"):
        right = f"{key} = {_BOOLEANS.get(value.lower(), 'true or false')}"
    elif kind.startswith("int"):
        right = "a whole number"
    else:
        quoted = as_toml(value)
        right = f"{key} = [{quoted}]" if kind.startswith("tuple") else f"{key} = {quoted}"
    return OperatorError(f"{place}: `{key} = {value}` is not a TOML value.", fix=f"Write {right}.")


def _lower(reason: str) -> str:
    return reason[:1].lower() + reason[1:]


def _may_be_shown(key: str) -> bool:
    """Only keys of known, harmless meaning: anything else could be a password."""
    return bool(type_of(key)) and not is_secret(key)
