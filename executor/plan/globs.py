"""Patterns of `allowed_images` and its kin: the doublestar rules that operators know from the docker executor.

`*` and `?` stop at `/`, `**` as a whole path level crosses it, `{a,b}` are alternatives, `[0-9]` a class, `\\` escapes.
A name is compared as it was written: `ruby:*` matches neither `ruby` nor `docker.io/library/ruby:3`.
"""

from __future__ import annotations

import re
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

SIGN = re.compile(r"\\.|\[[!^]?+(?:\\.|[^\]\\])+\]|\*\*|.", re.DOTALL)


class _BadPattern(ValueError):
    """A pattern with something left open. It matches nothing."""


def matches_any(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of `patterns` matches the whole of `name`."""
    return any(matches(name, pattern) for pattern in patterns)


def matches(name: str, pattern: str) -> bool:
    """Whether `pattern` matches the whole of `name`. A malformed pattern never does."""
    return any(regex.fullmatch(name) for regex in _compiled(pattern))


def is_well_formed(pattern: str) -> bool:
    """Whether `pattern` can match anything at all."""
    return bool(_compiled(pattern))


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> tuple[re.Pattern[str], ...]:
    try:
        return tuple(re.compile(_regex(signs), re.DOTALL) for signs in _without_alternatives(SIGN.findall(pattern)))
    except (_BadPattern, re.error):
        return ()


def _without_alternatives(signs: list[str]) -> list[list[str]]:
    """One list of signs for every choice that the `{a,b}` groups leave."""
    if "{" not in signs:
        if "}" in signs:
            raise _BadPattern
        return [signs]
    start = signs.index("{")
    choices, end = _choices(signs, start + 1)
    return [
        expanded for choice in choices for expanded in _without_alternatives(signs[:start] + choice + signs[end + 1 :])
    ]


def _choices(signs: list[str], start: int) -> tuple[list[list[str]], int]:
    """The choices of the group that opens before `start`, and where it closes."""
    depth, choices = 0, [[]]  # type: tuple[int, list[list[str]]]
    for index in range(start, len(signs)):
        sign = signs[index]
        if sign == "}" and depth == 0:
            return choices, index
        if sign == "," and depth == 0:
            choices.append([])
            continue
        depth += (sign == "{") - (sign == "}")
        choices[-1].append(sign)
    raise _BadPattern


def _regex(signs: list[str]) -> str:
    parts: list[str] = []
    level_starts = True
    rest = iter(enumerate(signs))
    for index, sign in rest:
        following = signs[index + 1 : index + 2]
        if sign == "**" and level_starts and following == ["/"]:
            parts.append("(?:.*/)?")
            next(rest)
        elif sign == "**" and level_starts and not following:
            # `a/**` matches `a` too.
            parts.append("(?:/.*)?" if parts and parts.pop() == "/" else ".*")
        else:
            parts.append(_single(sign))
            level_starts = sign == "/"
    return "".join(parts)


def _single(sign: str) -> str:
    """One sign that stays on its path level."""
    if sign in ("*", "**"):
        return "[^/]*"
    if sign == "?":
        return "[^/]"
    if sign in ("[", "\\"):
        raise _BadPattern
    if sign.startswith("["):
        negated = sign[1] in "!^"
        return f"[{'^' if negated else ''}{_class_members(sign[1 + negated : -1])}]"
    return re.escape(sign[1] if sign.startswith("\\") else sign)


def _class_members(members: str) -> str:
    """The inside of a class, where only `-` keeps its meaning."""
    return re.sub(r"\\?(.)", lambda match: _class_member(match[0], match[1]), members, flags=re.DOTALL)


def _class_member(written: str, character: str) -> str:
    return character if written == "-" or character.isalnum() else f"\\{character}"
