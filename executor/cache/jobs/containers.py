"""What the cache stages need of a job's containers; who can talk to them provides it."""

from __future__ import annotations

from typing import Protocol


class Containers(Protocol):
    """The containers of one job."""

    def see_mount(self, mark: str) -> bool:
        """Whether they see a mount with `mark` in its options."""

    def untracked(self, project_dir: str) -> list[str] | None:
        """The paths below the project that git does not track, whole folders with a slash at their end. None where git
        cannot tell.
        """

    def end_leftovers(self) -> None:
        """End what stages left running in the build container."""
