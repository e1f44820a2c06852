"""Which caches a command means, and what it says where that is not clear."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.caches import HOSTILE

if TYPE_CHECKING:
    from tests.unit.cli.caches import CacheHost


@pytest.fixture
def many(host: CacheHost) -> CacheHost:
    """A host with caches of several projects, kinds and keys."""
    host.save("deps-1")
    host.save("deps-1", trust="p")
    host.save("deps-2")
    host.save("deps[12]")
    host.save("gradle/main", project="virida/api", project_id=8)
    host.save("deps-1", project="virida/api", project_id=8)
    return host


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["gradle/main"], ["gradle/main"]),
        (["deps-2", "gradle*"], ["deps-2", "gradle/main"]),
        (["deps-?"], ["deps-1", "deps-1", "deps-1", "deps-2"]),
        # A key that could be a pattern is a key.
        (["deps[12]"], ["deps[12]"]),
        (["*", "--project", "virida/api"], ["deps-1", "gradle/main"]),
        (["*", "--project", "8"], ["deps-1", "gradle/main"]),
        (["*", "--project", "*/api"], ["deps-1", "gradle/main"]),
        (["*", "--protected"], ["deps-1"]),
        (["--protected"], ["deps-1"]),
        (["deps-1", "--unprotected", "--project=7"], ["deps-1"]),
    ],
)
def test_chosen(many: CacheHost, capsys: pytest.CaptureFixture[str], words: list[str], keys: list[str]) -> None:
    assert sorted(one["key"] for one in many.answer(capsys, "ls", *words)["caches"]) == keys


@pytest.mark.parametrize("words", [("show", "deps-1"), ("rm", "deps-1", "--yes"), ("show", "deps-*")])
def test_several_may_be_meant(many: CacheHost, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    told = many.refusal(capsys, *words)

    assert f"caches may be meant by {words[1]}: " in told
    assert "(virida/api, deps-1, not protected)" in told
    assert "(virida/app, deps-1, protected)" in told
    assert "Name one by its id, or add --project, --protected or --unprotected." in told
    assert len(many.keys()) == 6


def test_a_candidates_id_is_enough(many: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    told = many.refusal(capsys, "show", "deps-1", "--project", "7")
    candidate = told.partition(": ")[2].partition(": ")[2].partition(" ")[0]

    assert many.answer(capsys, "show", candidate)["key"] == "deps-1"


def test_not_all_of_a_crowd_are_listed(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(12):
        host.save(f"{HOSTILE}{number}", files=1)

    told = host.refusal(capsys, "show", "*")

    assert "12 caches may be meant by *: " in told
    assert " and 4 more." in told
    assert len(told) < 2000


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("dep-1", "no cache matches dep-1. Did you mean deps-1 or "),
        ("npm", "no cache matches npm. `executor cache ls` shows all 6."),
        ("DEPS-1*", "no cache matches DEPS-1*."),
        ("", "no cache matches ."),
        ("\x1b[2J", "no cache matches ?[2J."),
        ("B" * 100_000, "(100,000 characters)"),
        ("[", "no cache matches [."),
    ],
)
@pytest.mark.parametrize("command", [("show",), ("rm", "--yes"), ("ls",)])
def test_unknown_keys(
    many: CacheHost, capsys: pytest.CaptureFixture[str], command: tuple[str, ...], word: str, message: str
) -> None:
    assert message in many.refusal(capsys, *command, word)
    assert len(many.keys()) == 6


def test_a_project_without_caches(many: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no cache matches deps-1. There are none" in many.refusal(capsys, "show", "deps-1", "--project", "x/y")
