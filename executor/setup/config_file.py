"""gitlab-runner's config.toml: read, and written back with a copy of what it was."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from executor.errors import OperatorError, UsageError
from executor.setup.files import PRIVATE, locked, owner_of, read_bytes, write
from executor.setup.sections import runners_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from executor.setup.files import Owner

BACKUP_SUFFIX = ".backup"


class ConfigFile:
    """The file at `path`. `text` is what it held when it was read, "" where `is_new`."""

    def __init__(self, path: str) -> None:
        self.path = path
        content = read_bytes(path)
        self.is_new = content is None
        self._content = content or b""
        self.text = _decoded(path, self._content)

    @property
    def backup(self) -> str:
        """Where `save` leaves what the file held before."""
        return f"{self.path}{BACKUP_SUFFIX}"

    @property
    def runners(self) -> list[dict[str, Any]]:
        """Its `[[runners]]`, in their order."""
        return runners_in(self.text)

    def save(self, text: str, owner_of_new: Owner | None) -> None:
        """Write the text for the file's owner alone (`owner_of_new` for a new file), after a copy of the old one.

        OperatorError where somebody else has changed the file since it was read.
        """
        if text == self.text:
            return
        if (read_bytes(self.path) or b"") != self._content:
            raise OperatorError(f"{self.path} has just been changed by somebody else.", fix="Call this again.")
        owner = owner_of(self.path) or owner_of_new
        if not self.is_new:
            write(self.backup, self._content, PRIVATE, owner)
        write(self.path, text.encode(), PRIVATE, owner)

    def require_writable(self) -> None:
        """OperatorError where `save` would fail for lack of rights: to be told before GitLab is changed."""
        folder = os.path.dirname(os.path.realpath(self.path))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OperatorError(f"cannot write in {folder}.", fix="Call this as root.")


@contextmanager
def changing(path: str) -> Iterator[ConfigFile]:
    """The file, which no other call of ours changes meanwhile. OperatorError where its folder is not there."""
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise OperatorError(
            f"there is no folder {folder} for config.toml.",
            cause="gitlab-runner is not installed, or keeps its files elsewhere.",
            fix="Call `executor install` first, or name the file with --config.",
        )
    with locked(folder):
        yield ConfigFile(path)


def find_runner(config: ConfigFile, name: str | None) -> int:
    """The number of the runner that is called `name`; without a name, of the only one for this driver.

    OperatorError where there is none, UsageError where it is open which one is meant.
    """
    runners = config.runners
    found = [number for number, one in enumerate(runners) if _is_meant(one, name)]
    names = ", ".join(str(one.get("name")) for one in runners)
    if not found:
        what = f"no [[runners]] called {name}" if name else 'no [[runners]] with executor = "custom"'
        raise OperatorError(f"{config.path} has {what}.", fix=f"It has: {names or 'none at all'}.")
    if len(found) > 1:
        raise UsageError(f"{config.path} has {len(found)} of them: {names}.", fix="Say which one: --runner NAME.")
    return found[0]


def _is_meant(runner: dict[str, Any], name: str | None) -> bool:
    return runner.get("name") == name if name else runner.get("executor") == "custom"


def _decoded(path: str, content: bytes) -> str:
    """The text as it is, line ends and byte order mark included; it must be a TOML file."""
    if content:
        from executor.settings.document import read_document

        read_document(path)
    return content.decode()
