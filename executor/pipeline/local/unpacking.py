"""What a job packed is shown to the user: nothing in it may land outside its folder, whatever it is called.

`tarfile` has filters for this from Python 3.11.4 on; Debian 12 and Ubuntu 22.04 have an older 3.11.
"""

from __future__ import annotations

import os
import tarfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def unpack(archive: Path, target: Path) -> list[str]:
    """Unpack the archive under `target`, as this user's files. Returns the names of members that are not safe."""
    target.mkdir(parents=True, exist_ok=True)
    root = os.path.realpath(target)
    with tarfile.open(archive) as tar:
        tar.extraction_filter = _as_it_is
        return [member.name for member in tar if not (_stays_inside(member, root) and _extract(tar, member, root))]


def _as_it_is(member: tarfile.TarInfo, _target: str) -> tarfile.TarInfo:
    """No filter: newer versions of Python ask for one, and members were checked already."""
    return member


def _stays_inside(member: tarfile.TarInfo, root: str) -> bool:
    """Whether the member, and what it links to, lie under `root`: with links that earlier members made followed."""
    place = os.path.join(root, member.name)
    if member.issym():
        return _within(place, root) and _within(os.path.join(os.path.dirname(place), member.linkname), root)
    if member.islnk():
        return _within(place, root) and _within(os.path.join(root, member.linkname), root)
    return (member.isreg() or member.isdir()) and _within(place, root)


def _within(path: str, root: str) -> bool:
    real = os.path.realpath(path)
    return real == root or real.startswith(root.rstrip("/") + "/")


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, root: str) -> bool:
    member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
    member.mode = (member.mode & 0o755) | 0o600
    try:
        tar.extract(member, root, set_attrs=not member.isdir())
    except OSError:
        return False
    return True
