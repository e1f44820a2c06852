"""What the configuration is judged by, from outside of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from executor.pipeline.globs import any_match

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from executor.pipeline.files import RepositoryFiles
    from executor.pipeline.problems import Remarks


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What rules look at: variables given from outside, the repository's files, and the changed paths.

    `changes` takes a ref to compare with (None: the default one); without it every `changes` clause holds.
    `left_out` lists the includes that are not read here: what is missing may stand in them.
    """

    given: Mapping[str, str]
    files: RepositoryFiles
    changes: Callable[[str | None], Sequence[str]] | None
    remarks: Remarks = field(repr=False)
    left_out: list[str] = field(default_factory=list)

    def changed(self, patterns: Sequence[str], compare_to: str | None) -> bool:
        """Whether a changed path fits a pattern; true where changes are not known."""
        return self.changes is None or any_match(patterns, self.changes(compare_to))
