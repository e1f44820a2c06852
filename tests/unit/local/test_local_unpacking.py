"""Archives of artifacts as a hostile job may make them."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from executor.pipeline.local.unpacking import unpack

if TYPE_CHECKING:
    from pathlib import Path


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, link, mode
    member.uid = member.gid = 12345
    return member


def unpacked(folder: Path, *members: tarfile.TarInfo) -> list[str]:
    """Unpacks an archive of the members into `folder`/target; regular files hold their own names."""
    archive = folder / "archive.tar"
    with tarfile.open(archive, "w") as tar:
        for member in members:
            content = member.name.encode() if member.isreg() else b""
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return unpack(archive, folder / "target")


def test_files_folders_and_links_inside(tmp_path: Path) -> None:
    members = (
        entry("dist", tarfile.DIRTYPE, mode=0o700),
        entry("dist/app.js"),
        entry("latest", tarfile.SYMTYPE, "dist/app.js"),
        entry("same.js", tarfile.LNKTYPE, "dist/app.js"),
    )
    assert unpacked(tmp_path, *members) == []
    target = tmp_path / "target"
    assert [(target / name).read_text() for name in ("dist/app.js", "latest", "same.js")] == ["dist/app.js"] * 3


@pytest.mark.parametrize(
    "member",
    [
        entry("../outside"),
        entry("a/../../outside"),
        entry("/outside-of-everything"),
        entry("link", tarfile.SYMTYPE, "../outside"),
        entry("link", tarfile.SYMTYPE, "/etc/passwd"),
        entry("link", tarfile.LNKTYPE, "../outside"),
        entry("fifo", tarfile.FIFOTYPE),
        entry("device", tarfile.CHRTYPE),
    ],
    ids=lambda member: f"{member.name}-{member.type.decode()}",
)
def test_what_leads_outside_is_refused_and_the_rest_unpacked(tmp_path: Path, member: tarfile.TarInfo) -> None:
    assert unpacked(tmp_path, member, entry("good")) == [member.name]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive.tar", "target"]
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["good"]


def test_a_file_through_a_link_that_was_there_before_stays_inside(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "link").symlink_to(tmp_path)
    assert unpacked(tmp_path, entry("link/outside")) == ["link/outside"]
    assert not (tmp_path / "outside").exists()


def test_files_are_the_users_and_never_set_uid_or_writable_for_others(tmp_path: Path) -> None:
    assert unpacked(tmp_path, entry("tool", mode=0o6777), entry("locked", mode=0o000)) == []
    tool, locked = (os.stat(tmp_path / "target" / name) for name in ("tool", "locked"))
    assert (tool.st_mode & 0o7777, tool.st_uid) == (0o755, os.getuid())
    assert locked.st_mode & 0o7777 == 0o600


def test_a_name_that_is_taken_by_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target" / "dist").mkdir(parents=True)
    assert unpacked(tmp_path, entry("dist")) == ["dist"]
