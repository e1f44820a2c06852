"""How this room speaks of a configuration that is wrong, or right but without effect here."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from executor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from executor.pipeline.model import Position


def invalid(at: Position, what: str, *, fix: str = "") -> UsageError:
    """The error for a configuration that GitLab would refuse; the message begins with `file:line`."""
    return UsageError(_one_line(f"{at}: {what}"), fix=fix)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ " Did you mean `script`?" where a known word is close to `word`, otherwise nothing."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.65)
    return f" Did you mean `{close[0]}`?" if close else ""


def _one_line(text: str) -> str:
    """Names in a configuration may hold line breaks and terminal controls; a message must not."""
    return "".join(character if character.isprintable() else "?" for character in text)


@dataclass
class Remarks:
    """Collects one-line sayings about what has no effect here. The same saying about the same line is kept once."""

    _lines: dict[str, None] = field(default_factory=dict)

    def add(self, at: Position, text: str) -> None:
        """Note `text` for the line `at`."""
        self._lines[_one_line(f"{at}: {text}")] = None

    def lines(self) -> tuple[str, ...]:
        """Every remark as `file:line: text`, in the order in which they were made."""
        return tuple(self._lines)
