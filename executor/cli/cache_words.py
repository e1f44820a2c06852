"""Caches in words: keys that jobs chose, ids that stand for them, times."""

from __future__ import annotations

import time

from executor import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.cache.store.model import Place

ID_LENGTH = 8
LONGEST_KEY = 48


def id_of(runner: str, place: Place) -> str:
    """A word that stands for one place of this host, whatever its key is."""
    import hashlib

    text = "\0".join((runner, str(place.project_id), place.trust, place.key))
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:ID_LENGTH]


def shown_key(key: str, longest: int = LONGEST_KEY) -> str:
    """A key for one line of a terminal: of a long one the two ends, with its length."""
    if len(key) <= longest:
        return line(key)
    dots = "…" if terminal.speaks_unicode() else "..."
    half = longest // 2 - 8
    return line(f"{key[:half]}{dots}{key[-half:]} ({len(key):,} characters)")


def line(text: str) -> str:
    """A text that a job chose, for one cell of a table."""
    return terminal.printable(text).replace("\t", "?")


def counted(count: int, one: str) -> str:
    """`1 cache`, `24,774 files`."""
    return f"{count:,} {one}{'' if count == 1 else 's'}"


def timestamp(seconds: float) -> str:
    """Seconds since the epoch, for programs: RFC 3339, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
