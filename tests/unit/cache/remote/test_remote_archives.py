"""Archives of layers: what goes in comes out, and what a hostile archive holds stays in its folder or is refused."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard

from executor.cache.remote import blobs, inspecting
from executor.cache.remote.failures import Untrustworthy
from executor.cache.store import trees
from executor.cache.store.digests import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[[tarfile.TarFile, Path], None]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has devices and attributes of overlays")


def member(tar: tarfile.TarFile, name: str, kind: bytes = tarfile.REGTYPE, link: str = "", **headers: str) -> None:
    """Add a member as it is told, whatever its name leads to; a file holds "evil"."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.pax_headers = kind, link, 0o755, headers
    content = b"evil" if kind == tarfile.REGTYPE else b""
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def archive(write: Write, outside: Path) -> bytes:
    """A tar stream with what `write` puts into it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        write(tar, outside)
    return stream.getvalue()


def unpack(tar: bytes, folder: Path, said: int | None = None) -> None:
    """Unpack a tar stream as a fetched layer is, in pieces, and look at it."""
    blob = zstandard.ZstdCompressor().compress(tar)
    with blobs.Unpacking(str(folder), len(tar) if said is None else said) as unpacking:
        for start in range(0, len(blob), 1000):
            unpacking.feed(blob[start : start + 1000])
        unpacking.finish()
    inspecting.measure(str(folder))


def through_absolute_link(tar: tarfile.TarFile, outside: Path) -> None:
    member(tar, "way", tarfile.SYMTYPE, str(outside))
    member(tar, "way/caught")


def through_climbing_link(tar: tarfile.TarFile, outside: Path) -> None:
    member(tar, "way", tarfile.SYMTYPE, f"../{outside.name}")
    member(tar, "way/caught")


def over_a_link(tar: tarfile.TarFile, outside: Path) -> None:
    member(tar, "way", tarfile.SYMTYPE, str(outside / "victim"))
    member(tar, "way")


def by_hard_link(tar: tarfile.TarFile, outside: Path) -> None:
    member(tar, "way", tarfile.LNKTYPE, str(outside / "victim"))
    member(tar, "way")


def by_absolute_name(tar: tarfile.TarFile, outside: Path) -> None:
    member(tar, str(outside / "caught"))


def by_climbing_name(tar: tarfile.TarFile, outside: Path) -> None:
    member(tar, f"../{outside.name}/caught")


ESCAPES = [
    through_absolute_link,
    through_climbing_link,
    over_a_link,
    by_hard_link,
    by_absolute_name,
    by_climbing_name,
]


@pytest.mark.parametrize("write", ESCAPES)
def test_no_archive_writes_outside_of_its_folder(write: Write, tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    folder.mkdir()
    (outside / "victim").write_text("mine")

    with suppress(Untrustworthy):
        unpack(archive(write, outside), folder)

    assert os.listdir(outside) == ["victim"]
    assert (outside / "victim").read_text() == "mine"
    assert (outside / "victim").stat().st_nlink == 1


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_what_is_no_file_is_refused(kind: bytes, tmp_path: Path) -> None:
    def write(tar: tarfile.TarFile, _: Path) -> None:
        info = tarfile.TarInfo("disk")
        info.type, info.devmajor, info.devminor = kind, 8, 0
        tar.addfile(info)

    with pytest.raises(Untrustworthy, match="damaged"):
        unpack(archive(write, tmp_path), tmp_path)


def test_a_mark_that_leads_to_other_trees_is_not_made(tmp_path: Path) -> None:
    def write(tar: tarfile.TarFile, _: Path) -> None:
        marks = {"SCHILY.xattr.trusted.overlay.redirect": "/other", "SCHILY.xattr.trusted.overlay.opaque": "y"}
        member(tar, "folder", tarfile.DIRTYPE, **marks)

    unpack(archive(write, tmp_path), tmp_path)

    assert os.listxattr(tmp_path / "folder") == [trees.OPAQUE]


@pytest.mark.parametrize("wrong", [-512, 512])
def test_the_size_that_was_said_counts(wrong: int, tmp_path: Path) -> None:
    tar = archive(lambda tar, _: member(tar, "file"), tmp_path)

    with pytest.raises(Untrustworthy):
        unpack(tar, tmp_path, said=len(tar) + wrong)


def test_a_bomb_ends_where_it_was_said_to(tmp_path: Path) -> None:
    """A gigabyte of nothing takes some kilobytes in a blob."""
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 30))

    with pytest.raises(Untrustworthy), blobs.Unpacking(str(tmp_path), 10_240) as unpacking:
        unpacking.feed(bomb)

    assert os.listdir(tmp_path) == []


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Untrustworthy), blobs.Unpacking(str(tmp_path), 10_240) as unpacking:
        unpacking.feed(b"<html>Bad Gateway</html>")


def make_tree(folder: Path) -> None:
    """A layer with all that layers hold."""
    (folder / "g/p/deps").mkdir(parents=True)
    (folder / "g/p/deps/file").write_text("content")
    (folder / "g/p/deps/file").chmod(0o4750)
    os.chown(folder / "g/p/deps/file", 1000, 1001)
    os.setxattr(folder / "g/p/deps/file", "user.colour", b"blue")
    os.link(folder / "g/p/deps/file", folder / "g/p/deps/second")
    (folder / "g/p/deps/link").symlink_to("/nowhere")
    (folder / os.fsdecode(b"g/p/deps/\xff name\n")).write_text("odd")
    os.mknod(folder / "g/p/deps/gone", stat.S_IFCHR, 0)
    (folder / "g/p/deps/new").mkdir()
    os.setxattr(folder / "g/p/deps/new", trees.OPAQUE, b"y")
    with open(folder / "g/p/deps/holes", "wb") as file:
        file.truncate(64 * 1024 * 1024)


def test_a_tree_comes_back_as_it_was(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    after.mkdir()
    make_tree(before)
    file = io.BytesIO()

    blob = blobs.pack(str(before), file, 1 << 30)
    with blobs.Unpacking(str(after), blob.tar_bytes) as unpacking:
        unpacking.feed(file.getvalue())
        unpacking.finish()

    assert len(file.getvalue()) == blob.size
    assert digest_of(str(after)) == digest_of(str(before))
    assert (after / "g/p/deps/file").stat().st_nlink == 2
    assert (after / "g/p/deps/holes").stat().st_blocks == 0
    assert inspecting.measure(str(after)).files == inspecting.measure(str(before)).files == 5


def test_an_archive_larger_than_allowed_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(200_000))

    with pytest.raises(blobs.TooLarge, match="not shared"):
        blobs.pack(str(tmp_path), io.BytesIO(), 100_000)


@pytest.mark.parametrize("stray", ["g/p/.git/hooks", "g/other/deps", "etc", "g/p/dep"])
def test_nothing_may_lie_outside_of_what_is_cached(stray: str, tmp_path: Path) -> None:
    make_tree(tmp_path)
    inspecting.check_layout([str(tmp_path)], "g/p", ["deps"])
    (tmp_path / stray).mkdir(parents=True)

    with pytest.raises(Untrustworthy, match="damaged"):
        inspecting.check_layout([str(tmp_path)], "g/p", ["deps"])
