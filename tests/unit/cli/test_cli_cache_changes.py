"""`executor cache rm`, `verify` and `gc`: what they change, and what they leave."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from executor.cache.store import overlay
from tests.unit.cli.caches import HOSTILE, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.cache.store.model import Snapshot
    from tests.unit.cli.caches import CacheHost


def a_file_of(host: CacheHost, layer: str) -> Path:
    return next(path for path in Path(host.store().layer_path(layer)).rglob("*") if path.is_file())


def test_remove_says_what_comes_next(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.save("one")
    host.save("two")
    host.save(HOSTILE)

    assert host.call("rm", "one", "*AAAA*", "--yes") == 0
    assert capsys.readouterr().out.startswith("2 caches removed. `executor cache gc` frees the disk")
    assert host.keys() == ["two"]


def test_remove_as_json(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.save("one")

    assert [one["key"] for one in host.answer(capsys, "rm", "one", "--yes")["removed"]] == ["one"]


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_nothing_goes_where_nobody_can_be_asked(
    host: CacheHost, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    host.save("one")

    assert "cache rm asks before it removes, and this is no terminal. Add --yes." in host.refusal(
        capsys, "rm", "one", *more
    )
    assert host.keys() == ["one"]


@pytest.mark.parametrize(
    ("typed", "code", "left"), [("y\n", 0, []), ("YES\n", 0, []), ("n\n", 1, ["one"]), ("\n", 1, ["one"])]
)
def test_a_person_is_asked(host: CacheHost, typed: str, code: int, left: list[str]) -> None:
    host.save("one")

    ended, seen = host.on_terminal("rm", "on*", typed=typed)

    assert ended == code
    assert re.search(r"one +virida/app", seen)
    assert "Remove this? [y/N]" in seen
    assert host.keys() == left


def test_all_is_well(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.finish(host.save("one"), host.save("two"))

    assert host.call("verify") == 0
    assert re.fullmatch(r"2 layers \(\d+ KiB\) checked: all is well\.\n", capsys.readouterr().out)


def test_a_layer_without_a_digest_is_not_taken_for_checked(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.save("fresh")

    assert host.call("verify") == 0
    assert "Not checked, for want of a digest: 1 layer." in capsys.readouterr().out
    assert host.keys() == ["fresh"]


def change_content(host: CacheHost, snapshot: Snapshot) -> None:
    a_file_of(host, snapshot.layers[0]).write_bytes(b"x" * 10_000)


def change_mode(host: CacheHost, snapshot: Snapshot) -> None:
    a_file_of(host, snapshot.layers[0]).chmod(0o4777)


def remove_file(host: CacheHost, snapshot: Snapshot) -> None:
    a_file_of(host, snapshot.layers[0]).unlink()


def remove_layer(host: CacheHost, snapshot: Snapshot) -> None:
    os.rename(host.store().layer_path(snapshot.layers[0]), host.folder / "elsewhere")


def forget_layer(host: CacheHost, snapshot: Snapshot) -> None:
    host.store().records.forget_layer(snapshot.layers[0])


def lose_power(host: CacheHost, snapshot: Snapshot) -> None:
    from dataclasses import replace

    records = host.store().records
    layer = records.layer(snapshot.layers[0])
    assert layer
    records.note_layer(replace(layer, boot_id="another", synced=False))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (change_content, "its content is not what was saved"),
        (change_mode, "its content is not what was saved"),
        (remove_file, "its content is not what was saved"),
        (remove_layer, "it is gone"),
        (forget_layer, "it is gone"),
        (lose_power, "it was lost when the host went down"),
    ],
)
def test_what_is_damaged_is_dropped_and_told(
    host: CacheHost, capsys: pytest.CaptureFixture[str], damage: Callable[[CacheHost, Snapshot], None], why: str
) -> None:
    bad, good = host.save("bad"), host.save("good")
    host.finish(bad, good)
    damage(host, bad)

    assert host.call("verify") == 1
    assert f"dropped bad of virida/app: layer {bad.layers[0]}: {why}\n" in capsys.readouterr().out
    assert host.keys() == ["good"]
    assert host.call("verify") == 0


def test_verify_as_json(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    bad = host.save(HOSTILE)
    host.finish(bad)
    change_content(host, bad)
    torn = host.store().records.pointer_path(host.save("torn").place)
    Path(torn).write_text("{")

    found = host.answer(capsys, "verify", code=1)

    assert (found["well"], found["layers"], found["without_digest"]) == (False, 1, 1)
    assert [(one["key"], one["layer"]) for one in found["dropped"]] == [(HOSTILE, bad.layers[0])]
    assert found["wrong_layers"] == {bad.layers[0]: "its content is not what was saved"}
    assert found["broken_pointers"] == [torn]
    assert not os.path.exists(torn)


def test_damage_that_no_cache_needs_is_told_too(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    removed = host.save("one")
    host.finish(removed)
    change_content(host, removed)
    assert host.call("rm", "one", "--yes") == 0
    capsys.readouterr()

    assert host.call("verify") == 1
    assert f"dropped layer {removed.layers[0]}: " in capsys.readouterr().out


def test_verify_leaves_no_lease(host: CacheHost) -> None:
    host.finish(host.save())
    host.call("verify")

    assert host.store().records.leases() == []


@pytest.mark.parametrize("words", [("gc",), ("gc", "--max-age", "1d"), ("gc", "--quota", "1g")])
def test_what_is_within_bounds_stays(
    host: CacheHost, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    host.save("one")

    assert host.call(*words) == 0
    assert capsys.readouterr().out.startswith("removed: 0 caches, 0 layers (0 B), 0 leases and 0 unfinished folders")
    assert host.keys() == ["one"]


def test_the_bounds_of_executor_toml(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    old = host.save("old", files=10)
    host.save("new", files=10)
    records = host.store().records
    records.note_hit(old.place)
    hits = records.pointer_path(old.place).replace(".json", ".hits")
    os.utime(hits, (0, 0))
    host.says('[cache]\nquota = "150k"')

    foretold = host.answer(capsys, "gc", "--dry-run")
    assert host.keys() == ["new", "old"]
    done = host.answer(capsys, "gc")

    assert host.keys() == ["new"]
    assert (foretold["removed"], done["removed"]) == (False, True)
    (would,), (did,) = foretold["stores"], done["stores"]
    assert len(would.pop("ids")) == 1
    assert would == did
    assert (did["caches"], did["layers"]) == (1, 1)


@pytest.mark.parametrize("bound", ['quota = ""', 'max_age = ""', 'quota = "0"'])
def test_what_is_not_bounded_stays(host: CacheHost, bound: str) -> None:
    host.save("one")
    host.says(f"[cache]\n{bound}")

    assert host.call("gc") == 0
    assert host.keys() == ["one"]


def test_a_dry_run_names_what_would_go(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.save(HOSTILE)
    host.save("two")

    assert host.call("gc", "--dry-run", "--quota", "0") == 0
    seen = capsys.readouterr().out
    assert re.search(r"^[0-9a-f]{8} two of virida/app$", seen, re.MULTILINE)
    assert "would go: 2 caches, 2 layers (" in seen
    assert all(line.isprintable() for line in seen.splitlines())
    assert len(host.keys()) == 2


def test_what_a_living_job_uses_stays_what_a_dead_one_left_goes(
    host: CacheHost, capsys: pytest.CaptureFixture[str]
) -> None:
    used, left = host.save("used"), host.save("left")
    store = host.store()
    for lease, snapshot in (("1-living", used), ("2-dead", left)):
        store.find([snapshot.place], lease)
        store.stage(lease)
    (host.state / "jobs" / "1-living").mkdir(parents=True)

    (foretold,) = host.answer(capsys, "gc", "--dry-run", "--quota", "0")["stores"]
    (done,) = host.answer(capsys, "gc", "--quota", "0")["stores"]

    foretold.pop("ids")
    assert foretold == done
    assert (done["caches"], done["layers"], done["leases"], done["stages"]) == (2, 1, 1, 1)
    assert store.records.leases() == ["1-living"]
    assert os.listdir(os.path.dirname(store.layer_path("x"))) == list(used.layers)


def test_what_is_mounted_stays(
    host: CacheHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = host.save("mounted")
    host.save("other")
    monkeypatch.setattr(overlay, "layers_in_use", lambda: {mounted.layers[0]})

    (foretold,) = host.answer(capsys, "gc", "--dry-run", "--quota", "0")["stores"]
    (done,) = host.answer(capsys, "gc", "--quota", "0")["stores"]

    assert (foretold["caches"], foretold["layers"]) == (done["caches"], done["layers"]) == (2, 1)


def test_another_collection_is_not_waited_for(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.save()
    with host.store().locks.one_collector():
        assert host.call("gc") == 1

    assert "The store of caches is in use by others." in capsys.readouterr().err


def test_each_runner_has_its_own_quota(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.save("one", runner="one")
    host.save("two", runner="two")

    assert host.call("gc", "--quota", "0", "--runner", "two") == 0
    assert (host.keys("one"), host.keys("two")) == (["one"], [])
    assert "1 cache, 1 layer" in capsys.readouterr().out


def test_no_bar_where_nothing_moves(host: CacheHost) -> None:
    host.finish(host.save())

    _, seen = host.on_terminal("verify", TERM="dumb")

    assert len(plain(seen)) == 1
