"""Path patterns as GitLab matches them: Ruby's `File.fnmatch` with PATHNAME, DOTMATCH and EXTGLOB."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_CLASS = re.compile(r"\[([!^]?)((?:\\.|[^\]\\])+)\]")


def any_match(patterns: Iterable[str], paths: Iterable[str]) -> bool:
    """Whether any path (relative, with `/`) fits any pattern."""
    compiled = [_compile(pattern) for pattern in patterns]
    return any(regex.fullmatch(path) for path in paths for regex in compiled)


def wildcard_match(pattern: str, paths: Iterable[str]) -> list[str]:
    """The paths that fit a pattern of `include:local`, where `**` crosses directories and `*` does not."""
    parts = [re.escape(part).replace(r"\*", "[^/]*") for part in pattern.split("**")]
    regex = re.compile(".*".join(parts))
    return [path for path in paths if regex.fullmatch(path)]


@lru_cache(maxsize=1024)
def _compile(pattern: str) -> re.Pattern[str]:
    alternatives = "|".join(_translate(plain) for plain in _braces(pattern))
    return re.compile(alternatives, re.DOTALL)


def _braces(pattern: str, limit: int = 1000) -> list[str]:
    """`a.{b,c}` as `a.b` and `a.c`, the innermost braces first."""
    done: list[str] = []
    todo = [pattern]
    while todo and len(done) + len(todo) < limit:
        current = todo.pop()
        found = re.search(r"(?<!\\)\{([^{}]*)\}", current)
        if not found:
            done.append(current)
            continue
        before, after = current[: found.start()], current[found.end() :]
        todo += [f"{before}{choice}{after}" for choice in found[1].split(",")]
    return done + todo


def _translate(pattern: str) -> str:
    result, index = "", 0
    while index < len(pattern):
        piece, width = _piece(pattern, index)
        result += piece
        index += width
    return result


def _piece(pattern: str, index: int) -> tuple[str, int]:
    """The regular expression for what stands at `index`, and how many characters of the pattern it covers."""
    rest = pattern[index:]
    if rest.startswith("**/") and (index == 0 or pattern[index - 1] == "/"):
        return "(?:[^/]+/)*", 3
    if rest[0] == "*":
        return "[^/]*", len(rest) - len(rest.lstrip("*"))
    if rest[0] == "?":
        return "[^/]", 1
    if rest[0] == "\\" and len(rest) > 1:
        return re.escape(rest[1]), 2
    return _class(rest) or (re.escape(rest[0]), 1)


def _class(rest: str) -> tuple[str, int] | None:
    """`[a-z]` or `[!a-z]`; a bracket that never closes stands for itself."""
    found = _CLASS.match(rest)
    if not found:
        return None
    members = found[2].replace("[", r"\[").replace("&&", r"&\&")
    try:
        re.compile(f"[{members}]")
    except re.error:
        return None
    return f"(?!/)[{'^' if found[1] else ''}{members}]", found.end()
