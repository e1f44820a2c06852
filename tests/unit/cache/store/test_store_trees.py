"""Work in trees that a job changes at the same moment: nothing outside of them is ever touched."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from executor.cache.store import trees
from executor.cache.store.copying import copy_file, copy_tree
from executor.cache.store.failures import CacheFailure, UnsafePath
from executor.cache.store.removing import remove_tree
from tests.unit.cache.store.staging import MAKER, PREFIX, place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from executor.cache.store.store import Store

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away and make devices")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    """A folder that a job may change, open."""
    (tmp_path / "root").mkdir()
    with trees.folder_at(str(tmp_path / "root")) as descriptor:
        yield descriptor


@pytest.fixture
def target(tmp_path: Path) -> Iterator[int]:
    """A folder that things go to, open."""
    (tmp_path / "target").mkdir()
    with trees.folder_at(str(tmp_path / "target")) as descriptor:
        yield descriptor


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """What must not be touched: it plays /etc."""
    (tmp_path / "etc" / "cache").mkdir(parents=True)
    (tmp_path / "etc" / "cache" / "passwd").write_text("root")
    return tmp_path / "etc"


@pytest.mark.parametrize("path", ["/etc", "../etc", "a/../../etc", "a\0b"])
def test_a_path_that_leaves_its_folder_is_refused(root: int, path: str) -> None:
    with pytest.raises(UnsafePath):
        trees.open_below(root, path)


def test_dots_and_empty_components_mean_nothing() -> None:
    assert trees.parts_of("./a//b/.") == ["a", "b"]


@pytest.mark.parametrize("work", ["move", "copy", "remove", "open", "make"])
def test_a_parent_that_is_a_link_is_not_followed(tmp_path: Path, root: int, target: int, host: Path, work: str) -> None:
    os.symlink(host, tmp_path / "root" / "link")
    with suppress(UnsafePath):
        WORK[work](root, "link/cache", target)

    assert (host / "cache" / "passwd").read_text() == "root"
    assert os.listdir(tmp_path / "target") == []


def test_a_parent_that_is_a_link_is_told_apart_from_one_that_is_missing(tmp_path: Path, root: int, host: Path) -> None:
    os.symlink(host, tmp_path / "root" / "link")
    with pytest.raises(UnsafePath):
        trees.open_below(root, "link/cache")
    with pytest.raises(FileNotFoundError):
        trees.open_below(root, "missing/cache")


@pytest.mark.parametrize("work", ["move", "copy", "remove"])
def test_a_parent_swapped_for_a_link_meanwhile_leads_nowhere(
    tmp_path: Path, root: int, target: int, host: Path, work: str
) -> None:
    """The job swaps the parent of a cached path, a folder, for a link to /etc and back, as fast as it can."""
    (tmp_path / "root" / "parent").mkdir()
    with swapping(tmp_path / "root" / "parent", host):
        for _ in range(300):
            fill(tmp_path / "root")
            with suppress(UnsafePath, FileNotFoundError):
                WORK[work](root, "parent/cache", target)
            check_only_ours(tmp_path / "target")
            shutil.rmtree(tmp_path / "target" / "parent", ignore_errors=True)

    assert (host / "cache" / "passwd").read_text() == "root"
    assert os.listdir(host) == ["cache"]


def test_a_folder_inside_swapped_for_a_link_meanwhile_leads_nowhere(
    tmp_path: Path, root: int, target: int, host: Path
) -> None:
    (tmp_path / "root" / "tree" / "cache").mkdir(parents=True)
    with swapping(tmp_path / "root" / "tree" / "cache", host / "cache"):
        for number in range(300):
            with suppress(UnsafePath, FileNotFoundError):
                copy_tree(root, "tree", target, f"{number}/tree")
            with suppress(OSError):
                remove_tree(root, "tree/cache")
            with suppress(OSError):
                (tmp_path / "root" / "tree" / "cache").mkdir()

    assert (host / "cache" / "passwd").read_text() == "root"
    assert not list((tmp_path / "target").rglob("passwd"))


def test_a_file_swapped_for_a_device_is_not_opened(tmp_path: Path, root: int, target: int) -> None:
    """Opening a FIFO waits for ever, opening some devices does things."""
    os.mkfifo(tmp_path / "root" / "file")
    began = time.monotonic()
    with pytest.raises(UnsafePath):
        copy_file("file", root, target)
    assert time.monotonic() - began < 1


def test_a_restore_writes_through_no_link(tmp_path: Path, root: int, target: int, host: Path) -> None:
    """The job laid links to files and folders of the host where the cache is to be copied to."""
    (tmp_path / "root" / "cache" / "folder").mkdir(parents=True)
    (tmp_path / "root" / "cache" / "file").write_text("cached")
    (tmp_path / "root" / "cache" / "folder" / "passwd").write_text("cached")
    (tmp_path / "target" / "cache").mkdir()
    os.symlink(host / "cache" / "passwd", tmp_path / "target" / "cache" / "file")
    os.symlink(host / "cache", tmp_path / "target" / "cache" / "folder")

    copy_tree(root, "cache", target, "cache")

    assert (host / "cache" / "passwd").read_text() == "root"
    assert (tmp_path / "target" / "cache" / "file").read_text() == "cached"
    assert not (tmp_path / "target" / "cache" / "folder").is_symlink()


def test_a_restore_replaces_what_is_in_the_way(tmp_path: Path, root: int, target: int) -> None:
    (tmp_path / "root" / "cache" / "folder").mkdir(parents=True)
    (tmp_path / "root" / "cache" / "file").write_text("cached")
    (tmp_path / "target" / "cache" / "file" / "full").mkdir(parents=True)
    (tmp_path / "target" / "cache" / "folder").write_text("in the way")
    (tmp_path / "target" / "cache" / "other").write_text("stays")

    copy_tree(root, "cache", target, "cache")

    assert (tmp_path / "target" / "cache" / "file").read_text() == "cached"
    assert (tmp_path / "target" / "cache" / "folder").is_dir()
    assert (tmp_path / "target" / "cache" / "other").read_text() == "stays"


@NEEDS_ROOT
def test_a_copy_is_what_the_original_is(tmp_path: Path, root: int, target: int) -> None:
    tree = tmp_path / "root" / "cache"
    tree.mkdir()
    (tree / "tool").write_text("#!/bin/sh")
    os.chown(tree / "tool", 1000, 1001)
    (tree / "tool").chmod(0o4750)
    os.setxattr(tree / "tool", "user.note", b"kept")
    os.link(tree / "tool", tree / "same")
    os.symlink("/etc/shadow", tree / "link")
    os.utime(tree / "link", ns=(1, 2_000_000_003), follow_symlinks=False)
    os.lchown(tree / "link", 1000, 1000)
    tree.chmod(0o2770)
    os.utime(tree, ns=(1, 5_000_000_007))

    copy_tree(root, "cache", target, "cache")

    copy = tmp_path / "target" / "cache"
    tool, link = (copy / "tool").stat(), (copy / "link").lstat()
    assert (oct(tool.st_mode), tool.st_uid, tool.st_gid) == ("0o104750", 1000, 1001)
    assert os.getxattr(copy / "tool", "user.note") == b"kept"
    assert (copy / "same").stat().st_ino == tool.st_ino
    assert (os.readlink(copy / "link"), link.st_uid, link.st_mtime_ns) == ("/etc/shadow", 1000, 2_000_000_003)
    assert (oct(copy.stat().st_mode), copy.stat().st_mtime_ns) == ("0o42770", 5_000_000_007)


def test_a_copy_of_a_file_with_holes_has_them(tmp_path: Path, root: int, target: int) -> None:
    with open(tmp_path / "root" / "sparse", "wb") as file:
        for offset in (1 << 20, 3 << 30, (5 << 30) - 4):
            file.seek(offset)
            file.write(b"data")
        file.truncate(6 << 30)

    copy_tree(root, "sparse", target, "sparse")

    facts = (tmp_path / "target" / "sparse").stat()
    assert facts.st_size == 6 << 30
    assert facts.st_blocks * 512 < 1 << 20
    with open(tmp_path / "target" / "sparse", "rb") as file:
        for offset in (1 << 20, 3 << 30, (5 << 30) - 4):
            file.seek(offset)
            assert file.read(6).startswith(b"data")


def test_a_big_file_is_copied_whole(tmp_path: Path, root: int, target: int) -> None:
    content = os.urandom(1 << 20) * 40
    (tmp_path / "root" / "big").write_bytes(content)

    size = copy_tree(root, "big", target, "big")

    assert (tmp_path / "target" / "big").read_bytes() == content
    assert size.bytes >= len(content)


def test_pipes_sockets_and_devices_are_left_out_of_a_copy(tmp_path: Path, root: int, target: int) -> None:
    (tmp_path / "root" / "cache").mkdir()
    os.mkfifo(tmp_path / "root" / "cache" / "fifo")
    with socket.socket(socket.AF_UNIX) as server, chdir(tmp_path / "root" / "cache"):
        server.bind("socket")
    os.mknod(tmp_path / "root" / "cache" / "gone", stat.S_IFCHR, 0)

    copy_tree(root, "cache", target, "cache")

    assert os.listdir(tmp_path / "target" / "cache") == []


def test_names_may_be_anything(tmp_path: Path, root: int, target: int) -> None:
    names = [b"\xff\xfe", b"new\nline", b"-rf", b"'; rm *", " ä".encode(), b"x" * 255]
    os.mkdir(tmp_path / "root" / "cache")
    for name in names:
        with open(os.path.join(os.fsencode(tmp_path / "root" / "cache"), name), "w"):
            pass

    copy_tree(root, "cache", target, "cache")

    assert set(os.listdir(os.fsencode(tmp_path / "target" / "cache"))) == set(names)


def test_what_moves_keeps_its_parents_as_they_were(tmp_path: Path, root: int, target: int) -> None:
    (tmp_path / "root" / "private" / "cache").mkdir(parents=True)
    (tmp_path / "root" / "private").chmod(0o711)

    trees.move(root, "private/cache", target, "private/cache")

    assert oct((tmp_path / "target" / "private").stat().st_mode) == "0o40711"
    assert os.listdir(tmp_path / "root" / "private") == []


def test_a_tree_of_any_depth_is_removed(root: int, tmp_path: Path) -> None:
    """Deeper than a path may be long, than Python recurses, and than files may be open."""
    with chdir(tmp_path / "root"):
        os.mkdir("deep")
        os.chdir("deep")
        for _ in range(3000):
            os.mkdir("d")
            os.chdir("d")

    remove_tree(root, "deep")

    assert os.listdir(tmp_path / "root") == []


def test_a_tree_too_deep_for_a_cache_is_refused(root: int, target: int, tmp_path: Path) -> None:
    with chdir(tmp_path / "root"):
        for _ in range(300):
            os.mkdir("d")
            os.chdir("d")

    with pytest.raises(CacheFailure, match="nested deeper"):
        copy_tree(root, "d", target, "d")
    with pytest.raises(CacheFailure, match="nested deeper"):
        trees.measure(root, "")


def test_a_deep_tree_is_published_and_a_deeper_one_refused(tmp_path: Path, store: Store) -> None:
    for depth, fits in ((190, True), (300, False), (2000, False)):
        staged = store.stage("job")
        os.makedirs(f"{staged}/{PREFIX}/cache")
        with chdir(Path(f"{staged}/{PREFIX}/cache")):
            for _ in range(depth):
                os.mkdir("d")
                os.chdir("d")
        with nullcontext() if fits else pytest.raises(CacheFailure, match="nested deeper"):
            store.publish(place(), staged, lease="job", base=None, prefix=PREFIX, roots=["cache"], maker=MAKER)
            store.finish([place()])
    store.collect_garbage(1 << 40, 3600, lambda _: False)
    assert os.listdir(store.records.stages) == []


def test_removing_what_is_not_there_is_nothing(root: int) -> None:
    remove_tree(root, "missing")
    remove_tree(root, "missing/too")


def test_a_measure_counts_files_once_and_their_blocks(tmp_path: Path, root: int) -> None:
    (tmp_path / "root" / "a").write_bytes(b"x" * 10_000)
    os.link(tmp_path / "root" / "a", tmp_path / "root" / "b")
    os.symlink("a", tmp_path / "root" / "c")

    size = trees.measure(root, "")

    blocks = ((tmp_path / "root" / "a").stat().st_blocks + (tmp_path / "root").stat().st_blocks) * 512
    assert (size.files, size.bytes) == (3, blocks + (tmp_path / "root" / "c").lstat().st_blocks * 512)
    assert trees.measure(root, "a").files == 1
    assert trees.measure(root, "missing") == trees.Size()


def _remove(root: int, path: str, _: int) -> None:
    remove_tree(root, path)


def _open(root: int, path: str, _: int) -> None:
    os.close(trees.open_below(root, path))


def _make(root: int, path: str, _: int) -> None:
    os.close(trees.make_below(root, f"{path}/new"))


WORK: dict[str, Callable[[int, str, int], object]] = {
    "move": lambda root, path, target: trees.move(root, path, target, path),
    "copy": lambda root, path, target: copy_tree(root, path, target, path),
    "remove": _remove,
    "open": _open,
    "make": _make,
}


@contextmanager
def swapping(folder: Path, other: Path) -> Iterator[None]:
    """`folder` is itself and a link to `other` in turn, while the block runs."""
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            with suppress(OSError):
                os.rename(folder, f"{folder}.away")
            with suppress(OSError):
                os.symlink(other, folder)
                os.unlink(folder)
            with suppress(OSError):
                os.rename(f"{folder}.away", folder)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def chdir(folder: Path) -> Iterator[None]:
    """Work in a folder for a while."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def fill(root: Path) -> None:
    """A cache below the parent, wherever that is just now."""
    for parent in ("parent", "parent.away"):
        with suppress(OSError):
            folder = os.open(root / parent, trees.FOLDER)
            with suppress(OSError):
                os.mkdir("cache", dir_fd=folder)
            os.close(folder)


def check_only_ours(target: Path) -> None:
    """Nothing of the host came along."""
    assert not list(target.rglob("passwd"))
