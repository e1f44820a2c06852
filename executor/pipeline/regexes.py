"""`/pattern/flags` as GitLab reads it: RE2's syntax, matched anywhere in the text."""

from __future__ import annotations

import re
from functools import lru_cache

LITERAL = re.compile(r"/(?:[^/]|\\/)+[^\\]/[ismU]*")
_NAMED_CLASS = re.compile(r"\[:(\^?)(\w+):\]")
_NAMED = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7F", "blank": r"\t ", "cntrl": r"\x00-\x1F\x7F",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ",
    "upper": "A-Z", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_NOT_IN_RE2 = re.compile(r"\\[1-9]|\\Z|\(\?(?:=|!|<=|<!|>|#|\()|[*+?}]\+")


@lru_cache(maxsize=256)
def compile_pattern(literal: str) -> re.Pattern[str] | None:
    """The regular expression of `/pattern/flags`, or None where RE2 would refuse it or the slashes are missing.

    `i`, `s` and `m` mean what they mean in RE2; `U` (ungreedy) does not change whether something matches.
    """
    if not LITERAL.fullmatch(literal):
        return None
    pattern, _, letters = literal[1:].rpartition("/")
    pattern = pattern.replace(r"\/", "/")
    if _NOT_IN_RE2.search(_without_escaped_backslashes(pattern)):
        return None
    flags = sum({"i": re.IGNORECASE, "s": re.DOTALL, "m": re.MULTILINE}.get(letter, 0) for letter in set(letters))
    try:
        return re.compile(_to_python(pattern, multiline="m" in letters), flags)
    except re.error:
        return None


def _without_escaped_backslashes(pattern: str) -> str:
    return pattern.replace(r"\\", "")


def _to_python(pattern: str, *, multiline: bool) -> str:
    """Where RE2 differs: `$` is the very end, `\\z` exists, and `[[:alpha:]]` names a class."""
    result, index, in_class = "", 0, False
    while index < len(pattern):
        piece, width = _piece(pattern, index, in_class=in_class, multiline=multiline)
        in_class = _still_in_class(pattern[index], in_class)
        result += piece
        index += width
    return result


def _piece(pattern: str, index: int, *, in_class: bool, multiline: bool) -> tuple[str, int]:
    """The Python form of what stands at `index`, and how many characters of the pattern it covers."""
    rest = pattern[index:]
    if rest[0] == "\\":
        return ("\\Z" if rest[:2] == r"\z" else rest[:2]), 2
    named = _NAMED_CLASS.match(rest) if in_class else None
    if named and named[2] in _NAMED and not named[1]:
        return _NAMED[named[2]], named.end()
    if rest[0] == "$" and not in_class and not multiline:
        return "\\Z", 1
    return ("\\[" if rest[0] == "[" and in_class else rest[0]), 1


def _still_in_class(character: str, in_class: bool) -> bool:
    return character != "]" if in_class else character == "["
