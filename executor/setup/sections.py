"""`[[runners]]` sections in the text of a config.toml: added, adapted, taken out; every other byte stays.

All functions take and return whole texts, and compare what the result means with what it should mean: a text that
cannot be changed so is an OperatorError, never a broken file.
"""

from __future__ import annotations

import copy
import re
import tomllib
from typing import TYPE_CHECKING, Any

from executor.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Callable

BYTE_ORDER_MARK = "\ufeff"


def runners_in(text: str) -> list[dict[str, Any]]:
    """The runners that a valid text has, in their order. OperatorError where `runners` is something else."""
    tables = _parsed(text).get("runners", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise OperatorError("`runners` in config.toml is no list of sections.", fix="Write [[runners]].")
    return tables


def with_section(text: str, section: str) -> str:
    """The text with one more section at its end, after an empty line."""
    newline = "\r\n" if "\r\n" in text else "\n"
    start = text if not text or text.endswith("\n") else text + newline
    gap = newline if start else ""
    added = start + gap + section.replace("\n", newline)
    wanted = {**_parsed(text), "runners": [*runners_in(text), *runners_in(section)]}
    return _checked(added, wanted)


def without_section(text: str, index: int) -> str:
    """The text without the section number `index`, and without the empty line before it."""
    wanted = copy.deepcopy(_parsed(text))
    del wanted["runners"][index]
    if not wanted["runners"]:
        del wanted["runners"]
    lines = re.split(r"(?<=\n)", text)
    first, end = _lines_of(lines, text, index)
    if first and not lines[first - 1].strip():
        first -= 1
    return _checked("".join(lines[:first] + lines[end:]), wanted)


def with_values(text: str, index: int, values: dict[str, Any]) -> str:
    """The text whose section number `index` has these values; those of a section in it by a dict of their own."""
    import tomlkit

    wanted = copy.deepcopy(_parsed(text))
    _merge(wanted["runners"][index], values, dict)
    body = text.removeprefix(BYTE_ORDER_MARK)
    document = tomlkit.parse(body)
    runners: Any = document["runners"]
    _merge(runners[index], values, tomlkit.table)
    return _checked(text[: len(text) - len(body)] + tomlkit.dumps(document), wanted)


def _merge(table: Any, values: dict[str, Any], make: Callable[[], Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict):
            if key not in table:
                table[key] = make()
            _merge(table[key], value, make)
        elif table.get(key) != value:
            table[key] = value


def _lines_of(lines: list[str], text: str, index: int) -> tuple[int, int]:
    """The section's first line and the one after its last, from 0. Comments before the next header are the next's."""
    from executor.settings.lines import statements_in

    own = ("runners", index)
    places = list(statements_in(text.removeprefix(BYTE_ORDER_MARK)))
    begin = next(number for number, (_, path) in enumerate(places) if path[:2] == own)
    following = [line for line, path in places[begin:] if path[:2] != own]
    end = following[0] - 1 if following else len(lines)
    while following and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return places[begin][0] - 1, end


def _parsed(text: str) -> dict[str, Any]:
    return tomllib.loads(text.removeprefix(BYTE_ORDER_MARK))


def _checked(text: str, wanted: dict[str, Any]) -> str:
    """The text, if it means just what is wanted."""
    try:
        is_right = _parsed(text) == wanted
    except tomllib.TOMLDecodeError:
        is_right = False
    if not is_right:
        raise OperatorError(
            "config.toml is written in a way that cannot be changed without changing more of it.",
            cause="`runners` may be an inline list, or sections of one runner may stand apart.",
            fix="Write each runner as one [[runners]] with its sections below it, then call this again.",
        )
    return text
