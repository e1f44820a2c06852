"""`/pattern/flags` as GitLab reads it: RE2's syntax, matched anywhere in the text."""

from __future__ import annotations

import re
from functools import lru_cache

# In an expression: two characters at least, and a slash inside only behind a backslash.
LITERAL = re.compile(r"/(?:[^/]|\\/)+[^\\]/[ismU]*")
_PARTS = re.compile(r"/(.*)/([ismU]*)", re.DOTALL)
_NAMED_CLASS = re.compile(r"\[:(\^?)(\w+):\]")
_NAMED = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7F", "blank": r"\t ", "cntrl": r"\x00-\x1F\x7F",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ",
    "upper": "A-Z", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_ESCAPE_NOT_IN_RE2 = re.compile(r"\\[1-9Z]")
_GROUP_NOT_IN_RE2 = re.compile(r"\(\?(?:=|!|<=|<!|>|#|\()")
_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})\??")


@lru_cache(maxsize=256)
def compile_pattern(literal: str) -> re.Pattern[str] | None:
    """The regular expression of `/pattern/flags`, or None where RE2 would refuse it or the slashes are missing.

    `i`, `s` and `m` mean what they mean in RE2; `U` (ungreedy) does not change whether something matches.
    """
    parts = _PARTS.fullmatch(literal)
    if not parts:
        return None
    pattern, letters = parts[1].replace(r"\/", "/"), parts[2]
    flags = sum({"i": re.IGNORECASE, "s": re.DOTALL, "m": re.MULTILINE}.get(letter, 0) for letter in set(letters))
    try:
        return re.compile(_to_python(pattern, multiline="m" in letters), flags)
    except re.error:
        return None


def _to_python(pattern: str, *, multiline: bool) -> str:
    """Where RE2 differs: `$` is the very end, `\\z` exists, `[[:alpha:]]` names a class, nothing looks around or back.

    Raises re.error for what only Python knows.
    """
    result, index, in_class = "", 0, False
    while index < len(pattern):
        rest = pattern[index:]
        piece, width = _in_class(rest) if in_class else _outside(rest, multiline=multiline)
        in_class = rest[0] != "]" if in_class else rest[0] == "["
        result += piece
        index += width
    return result


def _in_class(rest: str) -> tuple[str, int]:
    """The Python form of what begins `rest` between brackets, and how many characters of the pattern it covers."""
    if rest[0] == "\\":
        return rest[:2], 2
    named = _NAMED_CLASS.match(rest)
    if named:
        if named[1] or named[2] not in _NAMED:
            raise re.error("this class has no form in Python")
        return _NAMED[named[2]], named.end()
    return ("\\[" if rest[0] == "[" else rest[0]), 1


def _outside(rest: str, *, multiline: bool) -> tuple[str, int]:
    """The same outside of brackets."""
    if _ESCAPE_NOT_IN_RE2.match(rest) or _GROUP_NOT_IN_RE2.match(rest):
        raise re.error("not in RE2")
    if rest[0] == "\\":
        return ("\\Z" if rest[:2] == r"\z" else rest[:2]), 2
    quantifier = _QUANTIFIER.match(rest)
    if quantifier:
        if rest[quantifier.end() :].startswith("+"):
            raise re.error("possessive quantifiers are not in RE2")
        return quantifier[0], quantifier.end()
    return ("\\Z" if rest[0] == "$" and not multiline else rest[0]), 1
