"""Where a key stands in a TOML text. Only for messages: the parser itself keeps no line numbers."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    KeyPath = tuple[str | int, ...]

_PIECE = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|\#[^\n]*|[\[\]{}\n]|[^"'\#\[\]{}\n]+|.''',
    re.DOTALL,
)
_KEY_PART = re.compile(r""""((?:\\.|[^"\\])*)"|'([^']*)'|([A-Za-z0-9_-]+)""")
_KEY = re.compile(rf"\s*(?:{_KEY_PART.pattern})(?:\s*\.\s*(?:{_KEY_PART.pattern}))*")


def find_line(text: str, path: KeyPath) -> int:
    """The line (from 1) of the key at `path`, such as ("runners", 0, "docker", "memory"), in a valid TOML text.

    What has no line of its own (a key in an inline table, a default) is given its section's; 0 is "nowhere".
    """
    best_line, best_length = 0, 0
    for line, found in statements_in(text):
        length = _shared_length(found, path)
        if length > best_length:
            best_line, best_length = line, length
    return best_line


def _shared_length(found: KeyPath, path: KeyPath) -> int:
    """How much of `path` a statement stands for: it names a beginning of it, or something inside it."""
    shorter = min(len(found), len(path))
    return shorter if path[:shorter] == found[:shorter] else 0


def statements_in(text: str) -> Iterator[tuple[int, KeyPath]]:
    """Every header and key of a valid TOML text with its line (from 1) and its whole path."""
    counts: dict[KeyPath, int] = {}
    section: KeyPath = ()
    for line, statement in _statements(text):
        if statement.startswith("[["):
            *parents, name = _key_parts(statement[2:])
            array = (*_resolve((), parents, counts), name)
            counts[array] = counts.get(array, 0) + 1
            section = (*array, counts[array] - 1)
            yield line, section
        elif statement.startswith("["):
            section = _resolve((), _key_parts(statement[1:]), counts)
            yield line, section
        else:
            yield line, section + tuple(_key_parts(statement))


def _resolve(section: KeyPath, names: list[str], counts: dict[KeyPath, int]) -> KeyPath:
    """A header's path: names of arrays stand for their latest element."""
    for name in names:
        section = (*section, name)
        if section in counts:
            section = (*section, counts[section] - 1)
    return section


def _key_parts(statement: str) -> list[str]:
    """The names of the dotted key that a statement begins with."""
    key = _KEY.match(statement)
    return ["".join(groups) for groups in _KEY_PART.findall(key[0])] if key else [""]


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header or `key = value` with the line it begins on; values may go over several lines."""
    line, start, depth, statement = 1, 1, 0, ""
    for piece in _PIECE.findall(text):
        if piece == "\n" and depth <= 0:
            if statement.strip():
                yield start, statement.strip()
            start, statement = line + 1, ""
        elif not piece.startswith("#"):
            depth += (piece in ("[", "{")) - (piece in ("]", "}"))
            statement += piece
        line += piece.count("\n")
    if statement.strip():
        yield start, statement.strip()
