"""Patterns of `paths:` and `exclude:` against the names that `find` prints."""

from __future__ import annotations

import subprocess

import pytest

from executor.pipeline.local.globs import path_pattern

PROJECT = "/builds/virida/demo"


def matches(pattern: str, name: str, *, exact: bool = False) -> bool:
    """Whether `grep -E`, the program that uses the expressions, finds the name."""
    found = path_pattern(pattern, PROJECT)
    assert found is not None
    command = ["grep", "-qE", found.exact if exact else found.expression]
    return subprocess.run(command, input=f"./{name}\n", text=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("out/", "out/a/b", True),
        ("out", "out", True),
        ("out", "output", False),
        ("out", "sub/out", False),
        ("./out/", "out/a", True),
        ("*.xml", "a.xml", True),
        ("*.xml", "sub/a.xml", False),
        ("**/*.xml", "a.xml", True),
        ("**/*.xml", "sub/sub/a.xml", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**", "a/x/y", True),
        ("a/**", "b/a/x", False),
        ("**", "any/thing", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[ab].txt", "b.txt", True),
        ("[!ab].txt", "b.txt", False),
        ("{x,y*}/z", "yes/z", True),
        ("a.b", "axb", False),
        ("a+b(c)|$", "a+b(c)|$", True),
        ("with space/ü", "with space/ü/x", True),
        (f"{PROJECT}/.cache", ".cache/pip", True),
        ("a/../b", "b/c", True),
    ],
)
def test_a_pattern_takes_what_it_matches_with_all_below(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [("out/tmp", "out/tmp", True), ("out/tmp", "out/tmp/a", False), ("out/**/*.o", "out/a/b.o", True)],
)
def test_exclude_takes_only_what_it_matches_itself(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name, exact=True) is expected


@pytest.mark.parametrize("pattern", ["/etc/passwd", "../other", "a/../../b", "..", "", f"{PROJECT}-other/x"])
def test_what_leaves_the_project_is_no_pattern(pattern: str) -> None:
    assert path_pattern(pattern, PROJECT) is None


@pytest.mark.parametrize(
    ("pattern", "base"),
    [("node_modules/", "./node_modules"), ("a/b/*.o", "./a/b"), ("**/*.o", "."), ("*.o", "."), ("a/b", "./a/b")],
)
def test_the_search_begins_at_the_last_folder_without_a_wildcard(pattern: str, base: str) -> None:
    found = path_pattern(pattern, PROJECT)
    assert found is not None
    assert found.base == base
