"""The grammar of `volumes`: `[source:]target[:mode]`."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

MODES = frozenset({"ro", "rw", "o", "z", "shared", "slave", "private", "rshared", "rslave", "rprivate", "nocopy"})
VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", re.ASCII)


@dataclass(frozen=True)
class Volume:
    """One entry. `source` is a host path, a volume's name, or "" for a volume that the driver makes."""

    source: str
    target: str
    mode: str = "rw"

    @property
    def is_bind(self) -> bool:
        """Whether the source is a path of the host."""
        return self.source.startswith("/")


def parse_volume(text: str) -> Volume:
    """Read one entry, unexpanded. Raises ValueError with the reason."""
    parts = text.split(":")
    modes: list[str] = []
    while len(parts) > 1 and _is_mode(parts[-1]):
        modes.insert(0, parts.pop())
    if len(parts) > 2 or not all(parts):
        raise ValueError("it is not of the form source:target:mode")
    source, target = parts if len(parts) == 2 else ("", parts[0])
    if source and not source.startswith("/") and not VOLUME_NAME.fullmatch(source):
        raise ValueError(f"{source!r} is neither an absolute path nor the name of a volume")
    return Volume(source, target, ",".join(modes) or "rw")


def container_path(target: str, base: str) -> str:
    """The absolute, plain path of a target that is already expanded; a relative one is below `base`.

    Raises ValueError where it would climb up, is the root, or holds what Docker would read as more than a path.
    """
    whole = posixpath.join(base, target)
    if re.search(r"[:\x00-\x1f\x7f]", whole):
        raise ValueError("it holds a colon or a control character")
    if ".." in whole.split("/"):
        raise ValueError("it holds `..`")
    path = posixpath.normpath(whole).replace("//", "/")
    if not path.startswith("/"):
        raise ValueError("it is relative and the project folder is not known")
    if path == "/":
        raise ValueError("it is the root of the container")
    return path


def is_within(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or below it; both absolute and normalised."""
    return path == folder or path.startswith(f"{folder}/")


def _is_mode(text: str) -> bool:
    """`ro`, `rw,z` and their like; a path never is, for it has a slash."""
    return bool(text) and all(word.lower() in MODES for word in text.split(","))
