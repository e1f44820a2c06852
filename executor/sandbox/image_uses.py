"""Which images this driver pulled, and when a job last used each: a file an image, whose time is its last use.

    <state_dir>/images/<digest>     the name that it was pulled by

Images that came by other ways than a job's pull have no file: nobody removes them here.
On the hot path of `prepare`: noting a use is one call of the system.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from executor.errors import ExecutorError
from executor.sandbox.state import make_private, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "sha256:"


class ImageUses:
    """The notes in one state folder. A disk that takes none costs a job nothing: the image stays, that is all."""

    def __init__(self, state_dir: str) -> None:
        self._folder = f"{state_dir}/images"

    def note_pull(self, image: str, name: str) -> None:
        """The Engine got `image` (an id) because a job asked for `name`."""
        try:
            make_private(self._folder)
            write_private(self._path(image), name)
        except (ExecutorError, OSError):
            return

    def note_use(self, image: str) -> None:
        """A job uses `image` now."""
        try:
            os.utime(self._path(image))
        except OSError:
            return

    def last_use(self, image: str) -> float:
        """When that was, in seconds since the epoch. FileNotFoundError where the driver did not pull the image."""
        return os.stat(self._path(image)).st_mtime

    def forget(self, image: str) -> None:
        """The Engine has it no more."""
        try:
            os.unlink(self._path(image))
        except FileNotFoundError:
            return

    def images(self) -> Iterator[str]:
        """Ids of all images that are noted."""
        if os.path.isdir(self._folder):
            yield from (f"{PREFIX}{name}" for name in os.listdir(self._folder) if name.isalnum())

    def _path(self, image: str) -> str:
        return f"{self._folder}/{image.removeprefix(PREFIX)}"
