"""Keys as gitlab-runner 18.6 makes them: what is expected here was read from the scripts that it wrote."""

from __future__ import annotations

import pytest

from executor.cache.jobs.keys import is_kept_for_protected, sanitised

KEYS = {
    "deps": "deps",
    "": "",
    " ": "",
    "a b": "a b",
    "a b  ": "a b",
    "  a": "  a",
    "a/../b": "b",
    "../../x": "x",
    "..": "",
    ".": "",
    "/": "",
    "/abs": "abs",
    "a//b": "a/b",
    "a/./b": "a/b",
    "a\\b": "a/b",
    "a\\..\\b": "b",
    "a%2fb": "a/b",
    "a%2Fb": "a/b",
    "%2e%2e/x": "x",
    "%2E%2E%2Fx": "x",
    "a%2520": "a%2520",
    "a%252fb": "a%252fb",
    "a\tb\t": "a\tb",
    "a\n": "a",
    "a\nb": "a\nb",
    "\na": "\na",
    "x-protected/.": "x-protected",
    "x-protected ": "x-protected",
    "x-protected. ": "x-protected.",
    "a/": "a",
    "a/ /": "a",
    "a /b": "a /b",
    "...": "...",
    "a/...": "a/...",
    "a. .": "a. .",
    "~": "~",
    "c:\\x": "c:/x",
    "*": "*",
}


@pytest.mark.parametrize(("key", "expected"), KEYS.items())
def test_a_key_stays_where_it_is_put(key: str, expected: str) -> None:
    assert sanitised(key) == expected


@pytest.mark.parametrize(
    "key", ["a/../" * 20000 + "b", "../" * 30000 + "b", "x/.. /" * 5000 + "..", "/" * 100000 + "b"]
)
def test_long_keys_climb_nowhere_either(key: str) -> None:
    assert ".." not in sanitised(key).split("/")


@pytest.mark.parametrize(
    ("key", "kept"),
    [("a-protected", True), ("a-protected. .", True), ("a-protected/", True), ("a-protected-x", False), ("a", False)],
)
def test_keys_of_protected_refs_are_known_behind_dots_and_blanks(key: str, kept: bool) -> None:
    assert is_kept_for_protected(key) is kept
