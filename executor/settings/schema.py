"""From a TOML table to a frozen value: the fields of the value's class are the schema."""

from __future__ import annotations

import sys
from dataclasses import MISSING

from executor.settings.known import NO_EFFECT, READ_ELSEWHERE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Set
    from typing import Any

    from executor.errors import OperatorError
    from executor.settings.document import Document
    from executor.settings.lines import KeyPath


# A misspelt key of these would leave out what the operator meant to forbid.
_STRICT = frozenset({"PolicySettings"})
# Keys that the runner writes in one word, as `BucketName`.
_ONE_WORD = frozenset({"RunnerCacheSettings", "S3CacheSettings"})


class _WrongType(Exception):
    """The value is not what the message says it must be."""


def read_table(
    section: type, table: dict[str, Any], path: KeyPath, document: Document, *, derived: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The arguments of `section` (a dataclass of the model) that `table` gives, each of the right type.

    Keys count in either case, as with the runner; none sets a field in `derived`.
    OperatorError for a wrong type; keys that neither the driver nor the runner knows become warnings, but for sections
    that forbid things, where they are errors.
    """
    kinds = {name: field.type for name, field in _fields(section).items() if name not in derived}
    names = _names(section, kinds)
    without_effect = NO_EFFECT.get(section.__name__, {})
    arguments = {}
    for key, value in table.items():
        name = names.get(key) or names.get(key.lower())
        if key.lower() in without_effect:
            document.warn((*path, key), f"{key} has no effect here: {without_effect[key.lower()]}.")
        elif name:
            arguments[name] = _read_field(section, kinds[name], value, (*path, key), document)
        elif section.__name__ in _STRICT:
            raise _unknown_key_error(key, kinds.keys(), path, document)
        else:
            _warn_if_unknown(key, names.keys() | READ_ELSEWHERE.get(section.__name__, set()), path, document)
    return arguments


def _names(section: type, fields: Iterable[str]) -> dict[str, str]:
    """The fields by their keys, in lower case."""
    return {name.replace("_", "") if section.__name__ in _ONE_WORD else name: name for name in fields}


def read_section(section: type, table: Any, path: KeyPath, document: Document) -> Any:
    """An instance of `section`; OperatorError where `table` is not a table at all, or wrong."""
    if not isinstance(table, dict):
        raise document.error(path, f"{path[-1]} must be a section: [{_dotted(path)}].")
    arguments = read_table(section, table, path, document)
    for name, field in _fields(section).items():
        if name not in arguments and field.default is MISSING and field.default_factory is MISSING:
            raise document.error(path, f"[{_dotted(path)}] needs the key {name}.")
    return section(**arguments)


def read_sections(settings: type, document: Document, *, leave_out: tuple[str, ...]) -> dict[str, Any]:
    """The sections of a whole file, by the fields of `settings` that have a class of their own."""
    kinds = {name: field.type for name, field in _fields(settings).items() if name not in leave_out}
    sections = {name: kind for name, kind in kinds.items() if _nested_section(settings, kind)}
    values = {}
    for name, table in document.table.items():
        if name in sections:
            values[name] = _read_field(settings, sections[name], table, (name,), document)
        else:
            _warn_if_unknown(name, sections.keys(), (), document)
    return values


def _read_field(section: type, kind: str, value: Any, path: KeyPath, document: Document) -> Any:
    nested = _nested_section(section, kind)
    if nested and kind.startswith("tuple["):
        return _read_sections(nested, value, path, document)
    if nested:
        return read_section(nested, value, path, document)
    if kind.startswith("dict["):
        return _read_mapping(kind.removeprefix("dict[str, ").removesuffix("]"), value, path, document)
    place = (section.__name__, str(path[-1]).lower())
    converted = _convert(_LENIENT.get(place) or _CONVERTERS[kind], value, path, document)
    if isinstance(value, _REFUSED_BY_THE_RUNNER.get(place, ())):
        _warn_of_refusal(path, value, converted, document)
    return converted


def _read_mapping(kind: str, table: Any, path: KeyPath, document: Document) -> dict[str, Any]:
    """A section whose keys the operator chooses."""
    if not isinstance(table, dict):
        raise _type_error(path, table, f"a section: [{_dotted(path)}]", document)
    return {key: _convert(_CONVERTERS[kind], value, (*path, key), document) for key, value in table.items()}


def _convert(converter: Callable[[Any], Any], value: Any, path: KeyPath, document: Document) -> Any:
    try:
        return converter(value)
    except _WrongType as wrong:
        raise _type_error(path, value, str(wrong), document) from None


def _read_sections(section: type, tables: Any, path: KeyPath, document: Document) -> tuple[Any, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise document.error(path, f"{path[-1]} must be a list of sections: [[{_dotted(path)}]].")
    return tuple(read_section(section, table, (*path, index), document) for index, table in enumerate(tables))


def _nested_section(section: type, kind: str) -> type | None:
    """The class of the model that a field's type names, if any."""
    name = kind.removeprefix("tuple[").removesuffix(", ...]")
    return getattr(sys.modules[section.__module__], name) if name.endswith("Settings") else None


def _dotted(path: KeyPath) -> str:
    return ".".join(part for part in path if isinstance(part, str))


def _type_error(path: KeyPath, value: Any, expected: str, document: Document) -> OperatorError:
    from executor.settings.explain import example_of, shown

    return document.error(path, f"{shown(path, value)} must be {expected}{example_of(path, value, expected)}.")


def _warn_of_refusal(path: KeyPath, value: Any, converted: Any, document: Document) -> None:
    """The runner would go on with the settings that it had before, the driver with these."""
    from executor.settings.explain import as_toml, shown

    right = f"{path[-1]} = {as_toml(converted)}"
    document.warn(
        path, f"{shown(path, value)} is understood, but gitlab-runner refuses the file for it. Write {right}."
    )


def _warn_if_unknown(key: str, known: Set[str], path: KeyPath, document: Document) -> None:
    if key.lower() not in known:
        from executor.settings.explain import unknown_key

        document.warn((*path, key), unknown_key(key, _dotted(path), known))


def _unknown_key_error(key: str, known: Set[str], path: KeyPath, document: Document) -> OperatorError:
    from executor.settings.explain import did_you_mean

    return document.error((*path, key), f"unknown key {key} in [[{_dotted(path)}]].{did_you_mean(key, known)}")


def _fields(section: type) -> dict[str, Any]:
    return section.__dataclass_fields__  # type: ignore[attr-defined, no-any-return]


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise _WrongType("a string")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _WrongType("true or false")
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _WrongType("a whole number")
    return value


def _float(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _WrongType("a number")
    return float(value)


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise _WrongType("a list of strings")
    return tuple(value)


def _string_or_strings(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    try:
        return _strings(value)
    except _WrongType:
        raise _WrongType("a string or a list of strings") from None


def _number_words(value: Any) -> str:
    """The runner wants a string; a bare number cannot be misread."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _WrongType("a string")
    return str(value)


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "str": _string,
    "bool": _boolean,
    "bool | None": _boolean,
    "int": _integer,
    "int | None": _integer,
    "float": _float,
    "tuple[str, ...]": _strings,
    "tuple[str, ...] | None": _strings,
}

_LENIENT: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("DockerSettings", "pull_policy"): _string_or_strings,
    ("DockerSettings", "allowed_pull_policies"): _string_or_strings,
    ("DockerSettings", "cpus"): _number_words,
    ("DockerSettings", "service_cpus"): _number_words,
    ("PolicySettings", "max_cpus"): _number_words,
    ("LimitsSettings", "max_cpus"): _number_words,
}

_REFUSED_BY_THE_RUNNER: dict[tuple[str, str], type | tuple[type, ...]] = {
    ("DockerSettings", "allowed_pull_policies"): str,
    ("DockerSettings", "cpus"): (int, float),
    ("DockerSettings", "service_cpus"): (int, float),
}
