"""Words for SQLite, which keeps whole characters only."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def storable(value: Any) -> Any:
    """`value`, where it is text with a `?` for each half of a character: JSON can bring such in a name."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
