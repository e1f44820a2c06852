"""Which files `cache:paths` and `cache:untracked` mean, as gitlab-runner 18.6's `cache-archiver` answered."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from executor.cache.jobs.expansion import with_variables
from executor.cache.jobs.overlaps import overlapping
from executor.cache.jobs.selection import Selection, Selector
from executor.cache.jobs.words import age, amount, shown, size, took

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = "/builds/group/app"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[int]:
    """A project folder: files, folders, a link, a name with signs in it."""
    for name in ("vendor/a", "vendor/sub/b", "dist/.keep", "c.txt", ".gitignore", "sp ace/f", "signs/q?", "signs/qx"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("vendor")
    (tmp_path / "out").symlink_to("/etc")
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def select(project: int, *paths: str, untracked: list[str] | None = None) -> Selection:
    return Selector(project, PLACE).select(paths, untracked)


PATHS = {
    "vendor/": {"vendor"},
    "vendor": {"vendor"},
    "./vendor//sub/": {"vendor/sub"},
    "vendor/../c.txt": {"c.txt"},
    "vendor/./a": {"vendor/a"},
    f"{PLACE}/vendor/a": {"vendor/a"},
    "c.txt/": {"c.txt"},
    "link/": {"link"},
    "sp ace/": {"sp ace"},
    "vendor/*": {"vendor/a", "vendor/sub"},
    "**/b": {"vendor/sub/b"},
    "**/sub/**/b": {"vendor/sub/b"},
    "vendor/**": {"vendor"},
    "vendor/**/": {"vendor"},
    "**/*.txt": {"c.txt"},
    "v*/": {"vendor"},
    "{vendor,dist}": {"vendor", "dist"},
    "vendor/{a,sub/b}": {"vendor/a", "vendor/sub/b"},
    "vendor/[!a]*": {"vendor/sub"},
    "vendor/[^a]*": {"vendor/sub"},
    ".git*": {".gitignore"},
    "signs/q\\?": {"signs/q?"},
    "signs/q?": {"signs/q?", "signs/qx"},
    "vendor/?": {"vendor/a"},
    "*": {"vendor", "dist", "c.txt", ".gitignore", "sp ace", "signs", "link", "out"},
}


@pytest.mark.parametrize(("path", "roots"), PATHS.items())
def test_a_path_selects(project: int, path: str, roots: set[str]) -> None:
    assert select(project, path).roots == roots


@pytest.mark.parametrize("path", [".", "./", "**", "**/", PLACE])
def test_the_whole_project_is_all_that_is_in_it(project: int, path: str) -> None:
    assert select(project, path).roots == PATHS["*"]


NOTHING = {
    "nothing/": "nothing/: no matching files. Ensure that the artifact path is relative to the working directory",
    "c.txt/**": "no matching files",
    "a**": "no matching files",
    "v**/b": "no matching files",
    "vendor/a[1]": "no matching files",
    "out/passwd": "no matching files",
    "out/*": "no matching files",
    "../x": "artifact path is not a subpath of project directory: ../x",
    "/etc/passwd": "artifact path is not a subpath of project directory: /etc/passwd",
    f"{PLACE}x/a": "not a subpath",
    "vendor/../../other": "not a subpath",
    "vendor\0/a": "not a subpath",
    "": "No matching files. Path is empty.",
    "[v": "[v: syntax error in pattern",
    "{a": "syntax error",
    "a}": "no matching files",
}


@pytest.mark.parametrize(("path", "warning"), NOTHING.items())
def test_a_path_selects_nothing_and_says_why(project: int, path: str, warning: str) -> None:
    selection = select(project, path)

    assert not selection.roots
    assert warning in selection.warnings[0]


def test_what_lies_in_a_selected_folder_is_not_named_again(project: int) -> None:
    selection = select(project, "vendor/sub/b", "vendor/", "none", "**/b")

    assert selection.roots == {"vendor"}
    assert selection.found == ["vendor/sub/b", "vendor/", "**/b"]
    assert len(selection.warnings) == 1


def test_untracked_paths_come_from_the_job_and_are_not_believed(project: int) -> None:
    listed = ["vendor/sub/", "c.txt", "../x", "/etc/passwd", "a//b", "gone", "", "out/passwd", "./c.txt"]

    assert select(project, untracked=listed).roots == {"vendor/sub", "c.txt"}
    assert select(project, untracked=[]).warnings == ["untracked: no files"]


@pytest.mark.parametrize(
    ("some", "others", "expected"),
    [
        ({"a"}, {"b"}, False),
        ({"a"}, {"a"}, True),
        ({"a/b"}, {"a"}, True),
        ({"a"}, {"a/b/c"}, True),
        ({"a"}, {"ab"}, False),
        ({"a/b", "c"}, {"a/c", "d"}, False),
    ],
)
def test_paths_overlap(some: set[str], others: set[str], expected: bool) -> None:
    assert overlapping(some, others) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A/x", "1/x"),
        ("${A}x", "1x"),
        ("$NONE/x", "/x"),
        ("${NONE:-d}/x", "d/x"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${A:-d}", "1"),
        ("\\$A", "$A"),
        ("$(id)", "$(id)"),
    ],
)
def test_variables_in_paths(text: str, expected: str) -> None:
    assert with_variables(text, {"A": "1", "EMPTY": ""}) == expected


def test_words_for_people() -> None:
    assert [size(count) for count in (0, 999, 5_100_000, 348_000_000)] == ["0 bytes", "999 bytes", "5.1 MB", "348 MB"]
    assert [amount(count, "file") for count in (0, 1, 24774)] == ["0 files", "1 file", "24,774 files"]
    assert [age(seconds) for seconds in (-1, 59, 7300, 200000)] == ["0 s", "59 s", "2 h", "2 d"]
    assert [took(seconds) for seconds in (0.0213, 1.54, 75)] == ["21 ms", "1.5 s", "75 s"]
    assert shown("a\nb\x1b" + "x" * 500) == "a?b?" + "x" * 196 + "…"
