"""What a staged tree is made into before it becomes a layer."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from executor.cache.store import trees
from executor.cache.store.failures import CacheFailure, MustCopy
from executor.cache.store.uppers import purge, state_of, take_roots
from tests.unit.cache.store.staging import GONE, MAKER, OPAQUE, PREFIX, lay, place, save, shown
from tests.unit.cache.store.test_store_trees import chdir

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from executor.cache.store.store import Store

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may set trusted attributes and make devices")

BASE = {"c/a": "1", "c/d/x": "2", "c/d/y": "3", "c/e/z": "4"}

# What an upper folder holds -> what is seen then, and whether anything of the base is.
DELTAS: dict[str, tuple[Mapping[str, object], dict[str, str], bool]] = {
    "a file is changed": ({"c/a": "9"}, BASE | {"c/a": "9"}, True),
    "a file is removed": ({"c/a": GONE}, {"c/d/x": "2", "c/d/y": "3", "c/e/z": "4"}, True),
    "a folder is removed": ({"c/d": GONE}, {"c/a": "1", "c/e/z": "4"}, True),
    "a folder is made anew": ({"c/d/": OPAQUE, "c/d/n": "9"}, {"c/a": "1", "c/d/n": "9", "c/e/z": "4"}, True),
    "a folder becomes a file": ({"c/d": "9"}, {"c/a": "1", "c/d": "9", "c/e/z": "4"}, True),
    "a file becomes a folder": ({"c/a/": OPAQUE, "c/a/n": "9"}, {**BASE, "c/a/n": "9"}, True),
    "a file becomes a folder that is not marked": ({"c/a/n": "9"}, {**BASE, "c/a/n": "9"}, True),
    "all is made anew": ({"c/": OPAQUE, "c/n": "9"}, {"c/n": "9"}, False),
    "all is removed": ({"c": GONE}, {}, False),
    "all becomes a file": ({"c": "9"}, {"c": "9"}, False),
    "a parent is made anew": ({".": OPAQUE, "c/n": "9"}, {"c/n": "9"}, False),
}
for what in ("a file becomes a folder", "a file becomes a folder that is not marked"):
    DELTAS[what][1].pop("c/a")


@NEEDS_ROOT
@pytest.mark.parametrize("case", DELTAS)
def test_a_delta_shows_what_it_says(store: Store, case: str) -> None:
    delta, expected, on_base = DELTAS[case]
    base = save(store, BASE, roots=("c",))

    saved = save(store, delta, base=base, roots=("c",))

    assert shown(store, saved) == expected
    assert (len(saved.layers) == 2) == on_base
    assert saved.files == len(expected)


@NEEDS_ROOT
def test_a_base_of_its_own_has_no_marks_left(store: Store) -> None:
    base = save(store, BASE, roots=("c",))

    saved = save(store, {"c/": OPAQUE, "c/n": "9", "c/gone": GONE}, base=base, roots=("c",))

    cache = f"{store.layer_path(saved.layers[0])}/{PREFIX}/c"
    assert os.listdir(cache) == ["n"]
    assert os.listxattr(cache) == []


@NEEDS_ROOT
def test_one_root_made_anew_is_no_base_where_another_is_not(store: Store) -> None:
    base = save(store, {"one/a": "1", "two/b": "2"}, roots=("one", "two"))

    saved = save(store, {"one/": OPAQUE, "one/n": "9"}, base=base, roots=("one", "two"))

    assert shown(store, saved) == {"one/n": "9", "two/b": "2"}
    assert len(saved.layers) == 2


def test_whiteouts_of_nothing_are_dropped(store: Store) -> None:
    saved = save(store, {"c/a": "1", "c/gone": GONE}, roots=("c",))

    assert os.listdir(f"{store.layer_path(saved.layers[0])}/{PREFIX}/c") == ["a"]


@NEEDS_ROOT
@pytest.mark.parametrize("kind", ["character", "block", "fifo", "socket"])
@pytest.mark.parametrize("on_base", [False, True])
def test_devices_pipes_and_sockets_never_get_into_a_layer(store: Store, kind: str, on_base: bool) -> None:
    base = save(store, BASE, roots=("c",)) if on_base else None
    staged = store.stage("job")
    lay(f"{staged}/{PREFIX}", {"c/other": "9"})
    make_special(f"{staged}/{PREFIX}/c", "a", kind)

    saved = store.publish(place(), staged, lease="job", base=base, prefix=PREFIX, roots=["c"], maker=MAKER)

    rest = {path: text for path, text in BASE.items() if path != "c/a"} if on_base else {}
    assert shown(store, saved) == {**rest, "c/other": "9"}
    for parent, _, names in os.walk(store.layer_path(saved.layers[0])):
        for name in names:
            facts = os.lstat(f"{parent}/{name}")
            assert stat.S_ISREG(facts.st_mode) or trees.is_whiteout(facts)


def make_special(folder: str, name: str, kind: str) -> None:
    """Make what is no file, folder or link."""
    if kind == "fifo":
        os.mkfifo(f"{folder}/{name}")
    elif kind == "socket":
        from pathlib import Path

        with socket.socket(socket.AF_UNIX) as server, chdir(Path(folder)):
            server.bind(name)
    else:
        mode = stat.S_IFCHR if kind == "character" else stat.S_IFBLK
        os.mknod(f"{folder}/{name}", mode | 0o666, os.makedev(1, 3))


def test_a_file_with_another_name_outside_becomes_one_of_its_own(tmp_path: Path, store: Store) -> None:
    """The job could change the layer through it: pnpm links node_modules to its store."""
    staged = store.stage("job")
    lay(f"{staged}/{PREFIX}", {"c/a": "1", "c/d/": None, "c/own": "2"})
    cache = f"{staged}/{PREFIX}/c"
    os.link(f"{cache}/a", f"{cache}/d/same")
    os.link(f"{cache}/own", f"{cache}/d/own")
    os.link(f"{cache}/a", tmp_path / "outside")

    saved = store.publish(place(), staged, lease="job", base=None, prefix=PREFIX, roots=["c"], maker=MAKER)
    (tmp_path / "outside").write_text("changed")

    assert shown(store, saved) == {"c/a": "1", "c/d/same": "1", "c/own": "2", "c/d/own": "2"}
    layer = f"{store.layer_path(saved.layers[0])}/{PREFIX}/c"
    assert os.stat(f"{layer}/a").st_ino == os.stat(f"{layer}/d/same").st_ino
    assert os.stat(f"{layer}/own").st_ino == os.stat(f"{layer}/d/own").st_ino


@NEEDS_ROOT
@pytest.mark.parametrize("redirect", ["/../../etc", "/etc", "..", "/" + "x" * 200, "/group/project/missing"])
def test_a_redirect_that_leads_nowhere_shows_nothing(store: Store, redirect: str) -> None:
    """A job that may set such attributes still gets nothing but what is in layers."""
    base = save(store, BASE, roots=("c",))
    staged = store.stage("job")
    lay(f"{staged}/{PREFIX}", {"c/r/own": "9"})
    os.setxattr(f"{staged}/{PREFIX}/c/r", trees.REDIRECT, redirect.encode())

    try:
        saved = store.publish(place(), staged, lease="job", base=base, prefix=PREFIX, roots=["c"], maker=MAKER)
    except CacheFailure:
        saved = base

    assert set(shown(store, saved)) - set(BASE) <= {"c/r/own"}


# What a job's folder holds -> (state of the root "p/c", whether it hides what is below).
UPPERS: dict[str, tuple[Mapping[str, object], tuple[str, bool]]] = {
    "nothing": ({}, ("untouched", False)),
    "its parent only": ({"p/other": "1"}, ("untouched", False)),
    "the root": ({"p/c/a": "1"}, ("there", False)),
    "a whiteout": ({"p/c": GONE}, ("gone", False)),
    "a parent that was removed": ({"p": GONE}, ("gone", True)),
    "a parent that became a file": ({"p": "1"}, ("gone", True)),
    "a parent that was made anew": ({"p/": OPAQUE, "p/other": "1"}, ("gone", True)),
    "both made anew": ({"p/": OPAQUE, "p/c/a": "1"}, ("there", True)),
}


@NEEDS_ROOT
@pytest.mark.parametrize("case", UPPERS)
def test_an_upper_folder_tells_what_became_of_a_root(tmp_path: Path, case: str) -> None:
    content, expected = UPPERS[case]
    lay(str(tmp_path), content)

    with trees.folder_at(str(tmp_path)) as upper:
        assert state_of(upper, "p/c") == expected


@NEEDS_ROOT
def test_a_root_in_a_folder_that_was_made_anew_shows_nothing_of_the_base(tmp_path: Path, store: Store) -> None:
    """`rm -rf .cache; mkdir -p .cache/pip`: the mark is on .cache, which is no part of the cache."""
    base = save(store, {".cache/pip/old": "1", ".cache/go/old": "1"}, roots=(".cache/pip", ".cache/go"))
    (tmp_path / "job").mkdir()
    lay(f"{tmp_path}/job/{PREFIX}", {".cache/": OPAQUE, ".cache/pip/new": "2"})
    staged = store.stage("job")
    roots = [".cache/pip", ".cache/go"]

    with trees.folder_at(f"{tmp_path}/job") as upper, trees.folder_at(staged) as target:
        assert take_roots(upper, PREFIX, roots, target) == roots
    saved = store.publish(place(), staged, lease="job", base=base, prefix=PREFIX, roots=roots, maker=MAKER)

    assert shown(store, saved) == {".cache/pip/new": "2"}


@NEEDS_ROOT
def test_a_parent_that_was_renamed_stops_before_anything_is_moved(tmp_path: Path, store: Store) -> None:
    (tmp_path / "job").mkdir()
    lay(f"{tmp_path}/job/{PREFIX}", {"first/a": "1", "parent/c/b": "2"})
    os.setxattr(f"{tmp_path}/job/{PREFIX}/parent", trees.REDIRECT, b"old")
    staged = store.stage("job")

    with trees.folder_at(f"{tmp_path}/job") as upper, trees.folder_at(staged) as target, pytest.raises(MustCopy):
        take_roots(upper, PREFIX, ["first", "parent/c"], target)

    assert os.listdir(staged) == []
    assert os.path.exists(f"{tmp_path}/job/{PREFIX}/first/a")


def test_the_next_job_in_the_folder_sees_nothing_of_a_cache(tmp_path: Path) -> None:
    lay(f"{tmp_path}/{PREFIX}", {"c/part": "1", "c/gone": GONE, "p": GONE, "src/main": "2"})

    with trees.folder_at(str(tmp_path)) as upper:
        purge(upper, PREFIX, ["c", "p/q", "missing"])

    assert os.listdir(tmp_path / PREFIX) == ["src"]


def test_a_cached_path_that_leads_out_of_the_project_is_refused(tmp_path: Path, store: Store) -> None:
    staged = store.stage("job")
    with trees.folder_at(str(tmp_path)) as upper, trees.folder_at(staged) as target, pytest.raises(CacheFailure):
        take_roots(upper, PREFIX, ["../../store"], target)
