"""A TOML file of the operator's: read, parsed, and able to say where in it something is wrong."""

from __future__ import annotations

import os

from executor.errors import OperatorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from executor.settings.lines import KeyPath

LARGEST_FILE = 1024 * 1024
MOST_WARNINGS = 20


class Document:
    """A parsed file. `warnings` collects what the operator should know of it, in the order found."""

    def __init__(self, path: str, text: str, table: dict[str, Any]) -> None:
        self.path = path
        self.table = table
        self.warnings: list[str] = []
        self._text = text

    def error(self, key: KeyPath, complaint: str, *, fix: str = "") -> OperatorError:
        """An error that begins with the file and the line of `key`. Raise it."""
        return OperatorError(f"{self._place(key)}: {complaint}", fix=fix)

    def warn(self, key: KeyPath, complaint: str) -> None:
        """Remember a warning that begins with the file and the line of `key`, unless there are many already."""
        if len(self.warnings) < MOST_WARNINGS:
            self.warnings.append(f"{self._place(key)}: {complaint}")
        elif len(self.warnings) == MOST_WARNINGS:
            self.warnings.append(f"{self.path}: further warnings are left out.")

    def _place(self, key: KeyPath) -> str:
        from executor.settings.lines import find_line

        line = find_line(self._text, key)
        return f"{self.path}, line {line}" if line else self.path


def read_document(path: str) -> Document:
    """Read and parse the file. OperatorError where that fails, with the line for a syntax error."""
    import tomllib

    text = _decode(path, _read(path))
    try:
        return Document(path, text, tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        from executor.settings.syntax import syntax_error

        raise syntax_error(path, text, error) from None


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    if len(content) > LARGEST_FILE:
        raise OperatorError(
            f"{path} is larger than {LARGEST_FILE // 1024} KiB: that is no settings file.",
            fix="Give --config the config.toml of gitlab-runner.",
        )
    return content


def _unreadable(path: str, error: OSError) -> OperatorError:
    reason = error.strerror or "it cannot be opened"
    if isinstance(error, PermissionError):
        fix = f"Run as the user that runs gitlab-runner, or let uid {os.geteuid()} read it."
    elif isinstance(error, FileNotFoundError) and os.path.islink(path):
        fix = f"It is a link to {os.readlink(path)}: put the file there or correct the link."
    else:
        fix = "Give --config the file that `gitlab-runner list` names as ConfigFile."
    return OperatorError(f"{path} cannot be read: {reason}.", fix=fix)


def _decode(path: str, content: bytes) -> str:
    """The runner skips a byte order mark, so it is no error here."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise OperatorError(
            f"{path}, line {line}: byte {content[error.start]:#04x} is not UTF-8.", fix="Save the file as UTF-8."
        ) from None
