"""What `executor install` has made on this host: the files with their digests, and the folders."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field

from executor.errors import OperatorError
from executor.setup.files import read_bytes, write

VERSION = 1


@dataclass
class Manifest:
    """`files` is path to SHA-256 of what was written, `folders` those that were made, parents first."""

    files: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)


def load_manifest(path: str) -> Manifest | None:
    """What was noted; None where nothing is installed. OperatorError where the file is damaged."""
    content = read_bytes(path)
    if content is None:
        return None
    try:
        noted = json.loads(content)
        files, folders = dict(noted["files"]), list(noted["folders"])
        is_right = noted["version"] == VERSION and all(_is_path(path) for path in [*files, *folders])
    except (ValueError, KeyError, TypeError):
        is_right = False
    if not is_right:
        raise OperatorError(
            f"{path} is damaged, or of another version of virida-executor.",
            fix="Remove it, then call `executor install`; what an earlier one made must be removed by hand.",
        )
    return Manifest(files=files, folders=folders)


def save_manifest(path: str, manifest: Manifest) -> None:
    """Note it, for root alone to change."""
    noted = {"version": VERSION, "files": manifest.files, "folders": manifest.folders}
    write(path, f"{json.dumps(noted, indent=2)}\n".encode(), 0o644, None)


def _is_path(path: object) -> bool:
    return isinstance(path, str) and os.path.isabs(path) and os.path.normpath(path) == path
