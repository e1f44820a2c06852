"""`executor cache ls` and `show`: what is seen of caches, on a terminal, in a pipe and as JSON."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.caches import HOSTILE, LEASE, plain

if TYPE_CHECKING:
    from tests.unit.cli.caches import CacheHost


def lines(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def test_a_line_a_cache_in_a_pipe(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = host.save("deps", files=5)
    host.store().find([snapshot.place], LEASE)

    assert host.call("ls") == 0

    headings, row = lines(capsys)
    assert headings == ["Id", "Key", "Project", "Size", "Files", "Age", "Hits", "Job", "Refs", "State"]
    assert row[1:3] == ["deps", "virida/app"]
    assert row[4:] == ["5", "0 s", "1", "88100", "all", "local"]


def test_the_one_used_last_comes_first(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    old = host.save("old")
    host.save("new")
    time.sleep(0.02)
    host.store().find([old.place], LEASE)

    assert [one["key"] for one in host.answer(capsys, "ls")["caches"]] == ["old", "new"]


def test_json_has_all_that_is_known(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.save(HOSTILE, trust="p")

    (one,) = host.answer(capsys, "ls")["caches"]
    assert one["key"] == HOSTILE
    assert (one["project"], one["project_id"], one["protected"]) == ("virida/app", 7, True)
    assert (one["files"], one["layers"], one["generation"], one["hits"]) == (3, 1, 1, 0)
    assert one["bytes"] >= 30_000
    assert one["job"] == {"id": 88100, "name": "test:ai-ml"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one["saved"])


def test_caches_of_several_runners(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.save("deps", runner="one")
    host.save("deps", runner="two")

    assert host.call("ls") == 0
    headings, *rows = lines(capsys)
    assert headings[-1] == "Runner"
    assert len({row[-1] for row in rows}) == len({row[0] for row in rows}) == 2

    assert [one["runner"] for one in host.answer(capsys, "ls", "--runner", "two")["caches"]] == ["twotwotwo"]


def test_a_cache_that_lost_a_layer_is_broken(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = host.save()
    host.store().records.forget_layer(snapshot.layers[0])

    assert host.answer(capsys, "ls")["caches"][0]["state"] == "broken"
    assert host.answer(capsys, "show", "deps")["layers"] == [{"id": snapshot.layers[0], "lost": True}]


@pytest.mark.parametrize("content", ["", '{"place"', "[]", '{"place": {}}', "\0" * 100])
def test_a_pointer_that_cannot_be_read_is_told(
    host: CacheHost, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    host.save("whole")
    path = host.store().records.pointer_path(host.save("torn").place)
    with open(path, "w") as file:
        file.write(content)

    assert host.call("ls") == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 2
    assert "1 cache has a pointer that cannot be read: `executor cache verify` drops" in told.err
    assert host.answer(capsys, "ls")["broken_pointers"] == [path]


@pytest.mark.parametrize("command", [("ls",), ("show", "*AAAA*")])
def test_no_key_moves_the_cursor(host: CacheHost, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    host.save(HOSTILE, project="evil/\x1b[2J\u2028x")

    assert host.call(*command) == 0
    seen = capsys.readouterr().out
    assert all(cell.isprintable() for line in seen.split("\n") for cell in line.split("\t"))
    assert "(100,0" in seen
    assert len(seen) < 2000


def test_a_table_on_a_terminal(host: CacheHost) -> None:
    host.save(HOSTILE, project="virida/" + "a-very-long-name/" * 5 + "x")
    host.save("deps", trust="p")

    code, seen = host.on_terminal("ls")

    assert code == 0
    assert "\x1b[2J" not in seen
    assert max(len(line) for line in plain(seen)) <= 100
    assert re.search(r"deps +virida/app +\S+ KiB +3 +0 s +0 88100 protected local", "\n".join(plain(seen)))


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_none_is_wanted(host: CacheHost, environment: dict[str, str]) -> None:
    host.save()

    _, seen = host.on_terminal("ls", **environment)

    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", seen)
    assert "deps" in seen


def test_only_ascii_where_the_locale_has_no_more(host: CacheHost) -> None:
    host.save("k" * 100)

    for words in (["ls"], ["show", "k*"], ["stats"], ["gc", "--dry-run", "--quota", "1"]):
        _, seen = host.on_terminal(*words, LC_ALL="C")
        assert seen.isascii(), seen


def test_show_tells_layers_and_who_uses_them(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    first = host.save("deps", files=20)
    second = host.save("deps", files=1, base=first)
    host.finish(second)
    host.store().find([second.place], "88101-abcd")

    shown = host.answer(capsys, "show", "deps")

    assert [layer["id"] for layer in shown["layers"]] == list(second.layers)
    assert [layer["files"] for layer in shown["layers"]] == [1, 20]
    assert all(layer["on_disk"] and len(layer["digest"]) == 64 for layer in shown["layers"])
    assert (shown["paths"], shown["leases"], shown["files"]) == (["node_modules"], ["88101-abcd"], 21)

    assert host.call("show", "deps") == 0
    facts = {row[0]: row[-1] for row in lines(capsys)}
    assert facts["content"].endswith(", 21 files")
    assert facts["in use by"] == "88101-abcd"
    assert facts["used"] == "0 s ago; restored 1 time"


def test_show_by_its_id(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.save(HOSTILE)
    (one,) = host.answer(capsys, "ls")["caches"]

    assert host.answer(capsys, "show", one["id"])["key"] == HOSTILE
