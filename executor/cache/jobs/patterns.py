"""Patterns of `cache:paths`, matched level by level in a folder that a job may be changing: no link is followed.

The rules are doublestar's: `*` and `?` stop at `/`, `**` as a whole level crosses it, `{a,b}` are alternatives, `[0-9]`
a class, `\\` escapes.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from executor.cache.store import trees
from executor.cache.store.failures import UnsafePath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ANY_DEPTH = "**"
SPECIAL = re.compile(r"[*?\[{\\]")
SIGN = re.compile(r"\\.|\[[!^]?(?:\\.|[^\]\\])+\]|\*+|.", re.DOTALL)
# More alternatives than any pattern that a person wrote.
MOST_ALTERNATIVES = 1000


class BadPattern(ValueError):
    """A pattern with something left open. It matches nothing."""


@dataclass(frozen=True)
class Level:
    """One level of a pattern: a name as it is, or what names must match."""

    literal: str
    expression: re.Pattern[str] | None = None

    def fits(self, name: str) -> bool:
        """Whether a name matches."""
        return bool(self.expression.fullmatch(name)) if self.expression else name == self.literal


def is_pattern(path: str) -> bool:
    """Whether a path holds any sign of a pattern."""
    return bool(SPECIAL.search(path))


def matching(root: int, pattern: str) -> set[str]:
    """The paths below the open folder `root` that match; of a folder and what is below it only the folder.

    "" is `root` itself. `BadPattern` for a malformed one.
    """
    found: set[str] = set()
    for alternative in alternatives(pattern):
        levels = [_level(text) for text in alternative.split("/") if text not in ("", ".")]
        _match(root, levels, "", found, 0)
    return topmost(found)


def topmost(paths: set[str]) -> set[str]:
    """Those that lie below no other of them."""
    return {path for path in paths if not any(parent in paths for parent in _above(path))}


def alternatives(pattern: str) -> list[str]:
    """One pattern for every choice that the `{a,b}` groups leave."""
    done: list[str] = []
    waiting = [pattern]
    while waiting:
        signs = SIGN.findall(waiting.pop())
        if "{" not in signs:
            if "}" in signs:
                raise BadPattern
            done.append("".join(signs))
            continue
        start = signs.index("{")
        choices, end = _choices(signs, start + 1)
        before, after = "".join(signs[:start]), "".join(signs[end + 1 :])
        waiting += [f"{before}{choice}{after}" for choice in choices]
        if len(waiting) + len(done) > MOST_ALTERNATIVES:
            raise BadPattern
    return done


def _choices(signs: Sequence[str], start: int) -> tuple[list[str], int]:
    """The choices of the group that opens before `start`, and where it closes."""
    depth, choices = 0, [""]
    for index in range(start, len(signs)):
        sign = signs[index]
        if sign == "}" and depth == 0:
            return choices, index
        if sign == "," and depth == 0:
            choices.append("")
            continue
        depth += (sign == "{") - (sign == "}")
        choices[-1] += sign
    raise BadPattern


def _level(text: str) -> Level:
    if text == ANY_DEPTH:
        return Level(ANY_DEPTH)
    if not SPECIAL.search(text):
        return Level(text)
    try:
        return Level(text, re.compile("".join(_expression(sign) for sign in SIGN.findall(text)), re.DOTALL))
    except re.error:
        raise BadPattern from None


def _expression(sign: str) -> str:
    if sign.startswith("*"):
        return ".*"
    if sign == "?":
        return "."
    if sign in ("[", "\\"):
        raise BadPattern
    if sign.startswith("["):
        negated = sign[1] in "!^"
        members = re.sub(r"\\?(.)", _member, sign[1 + negated : -1], flags=re.DOTALL)
        return f"[{'^' if negated else ''}{members}]"
    return re.escape(sign[1] if sign.startswith("\\") else sign)


def _member(found: re.Match[str]) -> str:
    """The inside of a class, where only `-` keeps its meaning."""
    character = found[1]
    return character if found[0] == "-" or character.isalnum() else f"\\{character}"


def _match(folder: int, levels: Sequence[Level], at: str, found: set[str], depth: int) -> None:
    trees.too_deep(depth)
    if not levels:
        found.add(at)
    elif levels[0].literal == ANY_DEPTH:
        _match_any_depth(folder, levels, at, found, depth)
    else:
        for name in _names(folder, levels[0]):
            path = f"{at}/{name}" if at else name
            if len(levels) == 1:
                found.add(path)
            else:
                _enter(folder, name, levels[1:], path, found, depth)


def _match_any_depth(folder: int, levels: Sequence[Level], at: str, found: set[str], depth: int) -> None:
    _match(folder, levels[1:], at, found, depth)
    if at in found:
        return
    for entry in trees.listed(folder):
        path = f"{at}/{entry.name}" if at else entry.name
        if entry.is_dir(follow_symlinks=False) and path not in found:
            _enter(folder, entry.name, levels, path, found, depth)


def _enter(folder: int, name: str, levels: Sequence[Level], path: str, found: set[str], depth: int) -> None:
    """Go on in a folder; what is none, or none any more, holds nothing that matches."""
    try:
        deeper = trees.open_folder(name, folder)
    except (OSError, UnsafePath):
        return
    try:
        _match(deeper, levels, path, found, depth + 1)
    finally:
        os.close(deeper)


def _names(folder: int, level: Level) -> list[str]:
    if level.expression:
        return [entry.name for entry in trees.listed(folder) if level.fits(entry.name)]
    try:
        os.stat(level.literal, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return []
    return [level.literal]


def _above(path: str) -> Iterator[str]:
    """The folders above a path, "" at last."""
    while path:
        path = path.rpartition("/")[0]
        yield path
