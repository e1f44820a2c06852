"""Wording of messages about keys and values. Loaded only when there is something to say."""

from __future__ import annotations

import json

from executor.settings.known import is_secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from executor.settings.lines import KeyPath

_LONGEST_VALUE = 60
_CLOSE_ENOUGH = 0.7
_SAMPLES = {"memory": "2g", "memory_swap": "2g", "memory_reservation": "1g"}


def shown(path: KeyPath, value: Any) -> str:
    """`key = value` as in the file; the key alone where the value is long, a collection or may be secret."""
    name = _name(path)
    secret = any(is_secret(part) for part in path if isinstance(part, str))
    if secret or not isinstance(value, str | int | float):
        return name
    text = as_toml(value)
    return f"{name} = {text}" if len(text) <= _LONGEST_VALUE else name


def as_toml(value: Any) -> str:
    """A string, number, boolean or sequence of them as a TOML file has it."""
    return str(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def example_of(path: KeyPath, value: Any, expected: str) -> str:
    """` such as …`: a right value for the key, made of the wrong one where it shows what was meant."""
    key = str(path[-1])
    if is_secret(key):
        return ""
    if key == "shm_size" and isinstance(value, str):
        return f" of bytes such as {_bytes_or_default(value)}"
    if expected == "a string" and not isinstance(value, dict | list):
        own = as_toml(value) if isinstance(value, bool) else value
        return f' such as "{_SAMPLES.get(key.removeprefix("service_"), own)}"'
    if expected == "a list of strings" and isinstance(value, str):
        return f" such as {as_toml([value])}"
    if expected == "a whole number" and isinstance(value, str) and value.lstrip("-").isdigit():
        return f" such as {value}"
    return ""


def unknown_key(key: str, section: str, choices: Iterable[str]) -> str:
    """A warning's text, with the key that was probably meant."""
    return f"unknown key {key}{f' in [{section}]' if section else ''}, ignored.{did_you_mean(key, choices)}"


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """` Did you mean …?` where one of the choices is close; of several the one that ends like `word`."""
    from difflib import get_close_matches

    close = get_close_matches(word.lower(), sorted(choices), cutoff=_CLOSE_ENOUGH)
    ending = word.lower().rpartition("_")[2]
    alike = [choice for choice in close if choice.rpartition("_")[2] == ending]
    return f" Did you mean {(alike or close)[0]}?" if close else ""


def _name(path: KeyPath) -> str:
    return str(path[-1]) if isinstance(path[-1], str) else f"entry {path[-1] + 1} of {path[-2]}"


def _bytes_or_default(size: str) -> int:
    from executor.settings.units import parse_bytes

    try:
        return parse_bytes(size)
    except ValueError:
        return 64 * 1024 * 1024
