"""`paths:` and `exclude:` patterns as regular expressions for `grep -E` over `find`'s output (`./a/b`)."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

_SPECIAL = frozenset("\\.+^$(){}|[]*?")


@dataclass(frozen=True, kw_only=True)
class PathPattern:
    """One pattern: where to look (`base`, `./a` or `.`), and what matches (an extended regular expression).

    `expression` takes a matching folder's whole content with it, `exact` does not (as in `artifacts:exclude`).
    """

    text: str
    base: str
    exact: str

    @property
    def expression(self) -> str:
        """What matches, and everything below it."""
        return f"{self.exact[:-1]}(/.*)?$"


def path_pattern(pattern: str, project_dir: str) -> PathPattern | None:
    """The pattern relative to the project folder, or None for one that leaves it."""
    relative = _relative(pattern, project_dir)
    if relative is None:
        return None
    if relative == ".":
        return PathPattern(text=pattern, base=".", exact="^\\.$")
    return PathPattern(text=pattern, base=_static_folder(relative), exact=f"^\\./{_expression(relative)}$")


def _relative(pattern: str, project_dir: str) -> str | None:
    path = pattern.strip()
    if path == project_dir or path.startswith(f"{project_dir}/"):
        path = path[len(project_dir) :].lstrip("/") or "."
    normal = posixpath.normpath(path) if path else ""
    outside = not normal or normal == ".." or normal.startswith(("/", "../"))
    return None if outside else normal


def _static_folder(relative: str) -> str:
    """The longest leading part without a wildcard: `find` need not walk the rest of the project."""
    parts: list[str] = []
    for part in relative.split("/"):
        if any(character in "*?[{\\" for character in part):
            return "/".join([".", *parts])
        parts.append(part)
    return "/".join([".", *parts])


_TOKENS = re.compile(r"/\*\*$|\*\*/|\*\*|\*|\?|\[[^\]/]+\]|\{[^{}]*\}|\\.|.", re.DOTALL)
_TRANSLATED = {"/**": "(/.*)?", "**/": "(.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _expression(glob: str) -> str:
    return "".join(_translate(token) for token in _TOKENS.findall(glob))


def _translate(token: str) -> str:
    if token in _TRANSLATED:
        return _TRANSLATED[token]
    if token.startswith("{") and token.endswith("}") and len(token) > 1:
        return "(" + "|".join(_expression(choice) for choice in token[1:-1].split(",")) + ")"
    if token.startswith("[") and len(token) > 1:
        return "[^" + token[2:] if token[1] in "!^" else token
    literal = token[1:] if token.startswith("\\") and len(token) > 1 else token
    return f"\\{literal}" if literal in _SPECIAL else literal
