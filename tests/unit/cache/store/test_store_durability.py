"""What is on the disk when the power fails, and what a save leaves behind when the disk is full.

The disk has whatever was synced; the order of calls says whether a pointer can be there before what it points to.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from executor.cache.store import overlay
from executor.cache.store.failures import CacheFailure
from tests.unit.cache.store.staging import MAKER, PREFIX, lay, place, save, shown
from tests.unit.cache.store.versions import check_no_leaks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from executor.cache.store.store import Store

FILE = {"node_modules/a": "1"}


@pytest.fixture
def calls(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the store does to its disk from now on, in order: the kind of call and the part of the store."""
    recorded: list[str] = []

    def record(module: object, name: str, part: Callable[..., str]) -> None:
        real = getattr(module, name)

        def call(*arguments: object, **options: object) -> object:
            result = real(*arguments, **options)
            recorded.append(f"{name} {part(*arguments)}")
            return result

        monkeypatch.setattr(module, name, call)

    def part_of(path: object) -> str:
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        return os.path.relpath(str(path), store.folder).split("/")[0]

    record(os, "rename", lambda old, new, **_: part_of(new))
    record(os, "replace", lambda old, new: part_of(new))
    record(os, "fsync", part_of)
    record(overlay, "sync_file_system", lambda path: "all")
    return recorded


def test_a_save_waits_for_no_disk_and_points_last(store: Store, calls: list[str]) -> None:
    save(store, FILE)

    assert calls == ["rename l", "replace meta", "replace keys"]


def test_a_layer_is_marked_only_once_the_disk_has_it(store: Store, calls: list[str]) -> None:
    saved = save(store, FILE)
    calls.clear()
    assert not store.layer(saved.layers[0]).synced  # type: ignore[union-attr]

    store.finish([place()])

    mark = ["fsync tmp", "replace meta", "fsync meta"]
    assert calls == ["sync_file_system all", *mark, *mark], "once for the mark, once for the digest"
    assert store.layer(saved.layers[0]).synced  # type: ignore[union-attr]
    assert len(store.layer(saved.layers[0]).digest) == 64  # type: ignore[union-attr]


def test_a_flat_layer_is_on_the_disk_before_it_is_pointed_to(store: Store, calls: list[str]) -> None:
    base = save(store, FILE)
    save(store, {"node_modules/b": "2" * 9000}, base=base)
    calls.clear()

    assert store.flatten(place())

    assert calls == [
        "sync_file_system all",
        "rename l",
        "fsync l",
        *["fsync tmp", "replace meta", "fsync meta"],
        *["fsync tmp", "replace keys", "fsync keys"],
    ]


def test_what_was_published_after_the_sync_is_not_marked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    save(store, FILE)
    real = overlay.sync_file_system

    def sync(path: str) -> None:
        real(path)
        save(store, FILE, at=place("late"))

    monkeypatch.setattr(overlay, "sync_file_system", sync)
    store.finish([])

    assert (is_synced(store, "default"), is_synced(store, "late")) == (True, False)


def is_synced(store: Store, key: str) -> bool:
    """Whether the disk is known to have the top layer of a cache."""
    snapshot = store.peek(place(key))
    layer = store.layer(snapshot.layers[0]) if snapshot else None
    assert layer
    return layer.synced


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("call", ["mkdir", "open", "rename", "replace", "write"])
def test_a_disk_that_fails_anywhere_leaves_the_last_version(
    store: Store, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    """The call fails the first time, then the second time, and so on, until the save gets through."""
    before = save(store, FILE)
    failures = 0
    while True:
        with monkeypatch.context() as patch:
            fail(patch, call, after=failures, code=code)
            try:
                saved = save(store, {"node_modules/a": "2"})
                break
            except OSError:
                # It was the job's own call, not the store's.
                pass
            except CacheFailure as failure:
                assert failure.cause
                assert failure.fix
        assert store.peek(place()) == before
        failures += 1
        assert failures < 50

    assert shown(store, saved) == {"node_modules/a": "2"}
    store.collect_garbage(1 << 40, 3600, lambda _: False)
    check_no_leaks(store)
    assert failures or call == "mkdir"


def fail(patch: pytest.MonkeyPatch, call: str, *, after: int, code: int) -> None:
    """Let a system call that changes something fail once it was made `after` times."""
    real, made = getattr(os, call), [0]

    def failing(*arguments: object, **options: object) -> object:
        changes = call != "open" or any(isinstance(each, int) and each & os.O_CREAT for each in arguments[1:2])
        made[0] += changes
        if changes and made[0] > after:
            raise OSError(code, os.strerror(code))
        return real(*arguments, **options)

    patch.setattr(os, call, failing)


def test_a_hit_that_cannot_be_noted_is_a_hit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = save(store, FILE)
    hits = f"{store.records.pointer_path(place()).removesuffix('.json')}.hits"
    os.mkdir(hits)

    assert store.find([place()], "job") == saved


def test_a_store_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    from executor.cache.store.store import Store

    (tmp_path / "file").write_text("")
    with pytest.raises(CacheFailure, match="cannot be made"):
        Store(f"{tmp_path}/file/store")


def test_damage_is_found_and_the_cache_dropped(store: Store) -> None:
    whole = save(store, FILE, at=place("whole"))
    damaged = save(store, {"node_modules/a": "1", "node_modules/b": "2"})
    store.finish([place("whole"), place()])
    assert store.verify() == []
    path = f"{store.layer_path(damaged.layers[0])}/{PREFIX}/node_modules/b"
    facts = os.stat(path)
    with open(path, "w") as file:
        file.write("3")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    assert store.verify() == [place()]

    assert store.find([place()], "job") is None
    assert store.find([place("whole")], "job") == whole
    store.release("job")
    store.collect_garbage(1 << 40, 3600, lambda _: False)
    check_no_leaks(store)


@pytest.mark.parametrize("change", ["mode", "link", "name", "missing"])
def test_any_change_is_damage(store: Store, change: str) -> None:
    staged = store.stage("job")
    lay(f"{staged}/{PREFIX}", {"node_modules/a": "1"})
    os.symlink("a", f"{staged}/{PREFIX}/node_modules/link")
    saved = store.publish(place(), staged, lease="job", base=None, prefix=PREFIX, roots=["node_modules"], maker=MAKER)
    store.finish([place()])
    cache = f"{store.layer_path(saved.layers[0])}/{PREFIX}/node_modules"
    match change:
        case "mode":
            os.chmod(f"{cache}/a", 0o777)
        case "link":
            os.unlink(f"{cache}/link")
            os.symlink("b", f"{cache}/link")
        case "name":
            os.rename(f"{cache}/a", f"{cache}/b")
        case "missing":
            os.unlink(f"{cache}/a")

    assert store.verify() == [place()]


def test_a_save_that_flattening_meets_is_not_lost(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    base = save(store, FILE)
    base = save(store, {"node_modules/b": "2" * 9000}, base=base)
    real = overlay.sync_file_system
    newer = []

    def sync(path: str) -> None:
        real(path)
        newer.append(save(store, {"node_modules/c": "3"}, base=base))

    monkeypatch.setattr(overlay, "sync_file_system", sync)

    assert not store.flatten(place())

    assert store.peek(place()) == newer[0]
    assert os.listdir(store.records.stages) == []


@pytest.mark.parametrize(
    ("deltas", "size", "pays"), [(1, 10, False), (6, 10, False), (7, 10, True), (1, 900_000, True)]
)
def test_many_or_big_deltas_become_one_layer(store: Store, deltas: int, size: int, pays: bool) -> None:
    snapshot = save(store, {"node_modules/base": "1" * 1_500_000, "node_modules/d/e": "2"})
    for number in range(deltas):
        snapshot = save(store, {f"node_modules/{number}": "x" * size}, base=snapshot)
    before = shown(store, snapshot)

    store.finish([place()])

    found = store.peek(place())
    assert found
    assert (len(found.layers) == 1) == pays
    assert shown(store, found) == before
    assert (found.files, found.generation) == (snapshot.files, snapshot.generation)
