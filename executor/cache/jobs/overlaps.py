"""Whether paths have files in common."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def overlapping(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether any path of the one is, or lies above or below, a path of the other. None has a slash at its end."""
    one, other = sorted({*some}), {*others}
    return any(
        path in other or any(above in other for above in _parents(path)) or _has_below(path, other) for path in one
    )


def _parents(path: str) -> Iterator[str]:
    while path := os.path.dirname(path):
        yield path


def _has_below(path: str, others: set[str]) -> bool:
    return any(other.startswith(f"{path}/") for other in others)
