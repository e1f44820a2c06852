"""Mounting layers: what the kernel takes, what containers see, and what is told where it cannot be done."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from executor.cache.store import overlay
from executor.cache.store.failures import CacheFailure
from tests.engine.overlays import PLACE, Host, seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[[str], str]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A store and builds on a file system that can be below an overlay."""
    host = Host(str(tmp_path))
    if reason := overlay.probe(host.store.folder, host.builds):
        pytest.skip(reason)
    return host


@pytest.fixture
def layer(host: Host) -> str:
    """The id of a layer with a few files."""
    job = host.new_job("maker")
    cache = f"{job}/group/project/cache"
    os.makedirs(f"{cache}/folder")
    for name in ("a", "folder/b"):
        with open(f"{cache}/{name}", "w") as file:
            file.write(name)
    return host.save(job, ["cache"], None).layers[0]


def test_the_jobs_own_files_and_the_cache_are_one_tree(host: Host, layer: str) -> None:
    job = host.new_job("job")
    with open(f"{job}/group/project/src/main", "w") as file:
        file.write("main")
    with host.mounted(job, [layer]) as project:
        assert overlay.mounted(job)
        assert set(seen(project)) == {".", "src", "src/main", "cache", "cache/a", "cache/folder", "cache/folder/b"}
        os.rename(f"{project}/cache/folder", f"{project}/cache/renamed")
        os.rename(f"{project}/cache", f"{project}/moved")
    assert not overlay.mounted(job)
    assert os.listdir(host.builds) == ["maker", "job"] or os.listdir(host.builds) == ["job", "maker"]


def test_a_layer_is_as_it_was_whatever_a_job_did(host: Host, layer: str) -> None:
    path = host.store.layer_path(layer)
    before = seen(path)
    with host.mounted(host.new_job("job"), [layer]) as project:
        with open(f"{project}/cache/a", "a") as file:
            file.write("more")
        os.chmod(f"{project}/cache/folder", 0o700)
        os.chown(f"{project}/cache/folder/b", 1000, 1000)
        os.unlink(f"{project}/cache/folder/b")

    assert seen(path) == before


def test_the_same_job_is_mounted_again_and_again(host: Host, layer: str) -> None:
    """After a save, upload_artifacts has to see everything: a new mount, with the new layer and a new work folder."""
    job, layers = host.new_job("job"), [layer]
    for number in range(4):
        with host.mounted(job, layers) as project:
            assert os.path.exists(f"{project}/cache/a")
            with open(f"{project}/cache/{number}", "w") as file:
                file.write("1")
        found = host.store.find([PLACE], "job")
        layers = list(host.save(job, ["cache"], found).layers)
    with host.mounted(job, layers) as project:
        assert sorted(os.listdir(f"{project}/cache")) == ["0", "1", "2", "3", "a", "folder"]


def test_what_is_still_in_use_is_told_apart(host: Host, layer: str) -> None:
    job = host.new_job("job")
    with host.mounted(job, [layer]) as project:
        with open(f"{project}/cache/a"), pytest.raises(overlay.StillInUse):
            overlay.unmount(job)
        assert overlay.mounted(job)
    with pytest.raises(CacheFailure) as caught:
        overlay.unmount(job)
    assert not isinstance(caught.value, overlay.StillInUse)


@pytest.mark.parametrize("count", [30, 100])
def test_more_layers_than_paths_fit_into_a_page(host: Host, count: int) -> None:
    layers = []
    for number in range(count):
        identity = f"{number:012x}"
        os.makedirs(f"{host.store.layer_path(identity)}/group/project/cache")
        with open(f"{host.store.layer_path(identity)}/group/project/cache/{number}", "w"):
            pass
        layers.append(identity)

    with host.mounted(host.new_job("job"), layers) as project:
        assert len(os.listdir(f"{project}/cache")) == count
        assert set(layers) <= overlay.layers_in_use()


def test_more_than_the_kernel_takes_is_said_in_plain_words(host: Host, layer: str) -> None:
    job = host.new_job("job")
    with pytest.raises(CacheFailure, match="cannot be mounted") as caught:
        overlay.mount(job, [host.store.layer_path(layer)] * 400, job, f"{host.builds}/work")

    assert "4095 bytes" in caught.value.cause
    assert not os.path.exists(f"{host.builds}/work")
    assert not overlay.mounted(job)


@pytest.mark.parametrize("name", ["with space", "com,ma", "co:lon", "back\\slash", "new\nline", "ä", "x" * 200, "a=b"])
def test_folders_may_have_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    host = Host(str(tmp_path / name))
    if reason := overlay.probe(host.store.folder, host.builds):
        pytest.fail(reason)
    job = host.new_job(name)
    os.makedirs(f"{job}/group/project/cache/x")
    saved = host.save(job, ["cache"], None)

    with host.mounted(job, saved.layers) as project:
        assert os.listdir(f"{project}/cache") == ["x"]
        assert saved.layers[0] in overlay.layers_in_use()
        assert overlay.mounted(job)


def test_an_option_that_the_kernel_refuses_is_left_out(host: Host, layer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "OPTIONS", (("redirect_dir=on", "no_such_option"), ("redirect_dir=on",), ()))
    job = host.new_job("job")

    taken = overlay.mount(job, [host.store.layer_path(layer)], job, f"{host.builds}/work")

    overlay.unmount(job)
    assert taken == ("redirect_dir=on",)


def test_a_mounted_layer_is_no_garbage(host: Host, layer: str) -> None:
    with host.mounted(host.new_job("job"), [layer]) as project:
        host.store.remove(PLACE)
        assert host.store.collect_garbage(0, 0, lambda _: False).layers == 0
        assert os.path.exists(f"{project}/cache/folder/b")
    assert host.store.collect_garbage(0, 0, lambda _: False).layers == 1


def test_a_container_sees_what_is_mounted_later(host: Host, layer: str) -> None:
    """The builds folder is a volume of a living container; the cache comes afterwards, below its files."""
    shared = os.path.dirname(host.builds)
    made = overlay.make_shared(shared)
    try:
        job = host.new_job("job")
        with container(f"{job}:/builds:rslave") as run:
            assert run("ls /builds/group/project") == "src\n"
            with host.mounted(job, [layer]):
                assert run("cat /builds/group/project/cache/folder/b") == "folder/b"
                assert run("cd /builds/group/project && rm -rf cache && mkdir cache && echo x > cache/new && ls") == (
                    "cache\nsrc\n"
                )
            assert run("ls /builds/group/project/cache") == "new\n"
            with pytest.raises(overlay.StillInUse), sitting_in(job, host, layer, run):
                pass
    finally:
        with suppress(CacheFailure):
            overlay.unmount(f"{host.builds}/job")
        if made:
            subprocess.run(["umount", shared], check=True)


@contextmanager
def container(volume: str) -> Iterator[Run]:
    """A container that lives, and a function that runs a command in it and gives its output."""
    command = ["docker", "run", "-d", "--rm", "--label", f"virida-test={os.getpid()}", "-v", volume, "debian:12"]
    name = subprocess.run([*command, "sleep", "60"], check=True, capture_output=True, text=True).stdout.strip()

    def run(script: str) -> str:
        done = subprocess.run(["docker", "exec", name, "sh", "-c", script], check=True, capture_output=True, text=True)
        return done.stdout

    try:
        yield run
    finally:
        subprocess.run(["docker", "rm", "-f", name], check=True, capture_output=True)


@contextmanager
def sitting_in(job: str, host: Host, layer: str, run: Run) -> Iterator[None]:
    """A mount with a process of the container in it; taking it away fails at the end of the block."""
    with host.mounted(job, [layer]):
        run("cd /builds/group/project/src && (sleep 30 >/dev/null 2>&1 &)")
        yield


def test_sharing_is_made_only_where_it_is_missing(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    subprocess.run(["mount", "--bind", tmp_path, tmp_path], check=True)
    subprocess.run(["mount", "--make-private", tmp_path], check=True)
    try:
        assert overlay.make_shared(f"{tmp_path}/below")
        assert not overlay.make_shared(f"{tmp_path}/below")
        subprocess.run(["umount", tmp_path / "below"], check=True)
        assert overlay.make_shared(str(tmp_path))
        assert not overlay.make_shared(f"{tmp_path}/below")
        assert not overlay.make_shared(str(tmp_path))
    finally:
        subprocess.run(["umount", "-R", tmp_path], check=True)


def test_a_probe_leaves_nothing_behind(host: Host) -> None:
    assert overlay.probe(host.store.folder, host.builds) == ""
    assert [name for name in os.listdir(host.store.folder) if name.startswith(".probe")] == []
    assert os.listdir(host.builds) == []


def test_a_probe_tells_two_file_systems(host: Host, tmp_path: Path) -> None:
    with mounted_tmpfs(tmp_path / "other") as other:
        assert "not on one file system" in overlay.probe(host.store.folder, other)


def test_a_probe_tells_two_mounts_of_one_file_system(host: Host, tmp_path: Path) -> None:
    """A rename between them fails all the same."""
    subprocess.run(["mount", "--bind", host.builds, host.builds], check=True)
    try:
        assert "one mount" in overlay.probe(host.store.folder, host.builds)
    finally:
        subprocess.run(["umount", host.builds], check=True)


def test_a_probe_tells_a_file_system_that_cannot_be_an_upper_folder(host: Host, layer: str) -> None:
    """An overlay, as in a container whose own files hold the builds."""
    with host.mounted(host.new_job("job"), [layer]) as project:
        for name in ("store", "builds"):
            os.mkdir(f"{project}/{name}")
        reason = overlay.probe(f"{project}/store", f"{project}/builds")

    assert "cannot be mounted" in reason


def test_a_probe_tells_a_read_only_file_system(host: Host, tmp_path: Path) -> None:
    with mounted_tmpfs(tmp_path / "other", "ro") as other:
        assert os.strerror(errno.EROFS) in overlay.probe(host.store.folder, other)


def test_who_is_not_root_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root" in overlay.probe(host.store.folder, host.builds)


@contextmanager
def mounted_tmpfs(path: Path, options: str = "size=8m") -> Iterator[str]:
    """A small file system of its own."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)
    try:
        yield str(path)
    finally:
        subprocess.run(["umount", path], check=True)


def test_a_disk_that_is_really_full_keeps_the_last_version(tmp_path: Path) -> None:
    with mounted_tmpfs(tmp_path / "small", "size=3m") as folder:
        host = Host(folder)
        job = host.new_job("first")
        os.mkdir(f"{job}/group/project/cache")
        before = host.save(job, ["cache"], None)
        job = host.new_job("second")
        os.mkdir(f"{job}/group/project/cache")
        with suppress(OSError), open(f"{job}/group/project/cache/big", "wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
        assert os.statvfs(folder).f_bavail == 0

        with pytest.raises(CacheFailure) as caught:
            host.save(job, ["cache"], None)

        assert caught.value.cause == "The disk is full."
        assert host.store.peek(PLACE) == before
        host.store.collect_garbage(1 << 40, 3600, lambda _: False)
        assert os.listdir(host.store.records.stages) == []
        assert host.store.find([PLACE], "job") == before


def test_a_read_only_disk_is_told(tmp_path: Path) -> None:
    with mounted_tmpfs(tmp_path / "small") as folder:
        host = Host(folder)
        job = host.new_job("first")
        os.mkdir(f"{job}/group/project/cache")
        saved = host.save(job, ["cache"], None)
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        try:
            assert host.store.peek(PLACE) == saved
            with pytest.raises(CacheFailure) as caught:
                host.store.find([PLACE], "other")
            assert "read-only" in caught.value.cause
        finally:
            subprocess.run(["mount", "-o", "remount,rw", folder], check=True)


def test_a_huge_file_with_holes_takes_what_it_takes(host: Host) -> None:
    job = host.new_job("job")
    os.mkdir(f"{job}/group/project/cache")
    with open(f"{job}/group/project/cache/sparse", "wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 39)
        file.write(b"data")

    saved = host.save(job, ["cache"], None)
    copy = host.copied(saved, "copy")

    facts = os.stat(f"{copy}/cache/sparse")
    assert (facts.st_size, stat.S_ISREG(facts.st_mode)) == (1 << 40, True)
    assert facts.st_blocks * 512 < 1 << 20
    assert saved.bytes < 1 << 20
