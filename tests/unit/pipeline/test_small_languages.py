"""Path patterns, durations, regular expressions and variables in text."""

from __future__ import annotations

import pytest

from executor.pipeline.durations import parse_duration
from executor.pipeline.globs import any_match, wildcard_match
from executor.pipeline.regexes import compile_pattern
from executor.pipeline.variables import expand_existing, expand_nested


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("Dockerfile", "Dockerfile"),
        ("*.md", "README.md"),
        ("**/*.md", "README.md"),
        ("**/*.md", "docs/a/b.md"),
        ("docs/**/*", "docs/a/b/c.md"),
        ("docs/**/*.md", "docs/index.md"),
        ("docs/**", "docs/index.md"),
        ("**/test/*", "a/b/test/c"),
        ("*", ".gitlab-ci.yml"),
        ("**/*", ".github/workflows/a.yml"),
        ("src/?.go", "src/a.go"),
        ("src/[ab].go", "src/b.go"),
        ("src/[!ab].go", "src/c.go"),
        ("src/[a-c]x", "src/bx"),
        ("*.{js,ts}", "app.ts"),
        ("{src,lib}/**/*.{js,t{s,sx}}", "lib/a/b.tsx"),
        (r"a\*b", "a*b"),
        ("a[b", "a[b"),
        ("a.b", "a.b"),
        ("a**/b", "axx/b"),
    ],
)
def test_path_fits(pattern: str, path: str) -> None:
    assert any_match([pattern], [path])


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*.md", "docs/README.md"),
        ("docs", "docs/a"),
        ("docs/", "docs/a"),
        ("docs/**", "docs/a/b.md"),
        ("src/?.go", "src/ab.go"),
        ("src/[!ab].go", "src/a.go"),
        ("a[!b]c", "a/c"),
        ("a.b", "axb"),
        ("*.{js,ts}", "app.go"),
        ("a**/b", "a/x/b"),
        ("a**/b", "ab"),
    ],
)
def test_path_does_not_fit(pattern: str, path: str) -> None:
    assert not any_match([pattern], [path])


def test_braces_cannot_explode() -> None:
    assert not any_match(["{a,b}" * 40], ["c"])


def test_double_star_of_include_crosses_directories() -> None:
    paths = ["ci/a.yml", "ci/b/c.yml", "ci/b/d.txt", "other.yml"]
    assert wildcard_match("ci/**.yml", paths) == ["ci/a.yml", "ci/b/c.yml"]
    assert wildcard_match("ci/**/*.yml", paths) == ["ci/b/c.yml"]
    assert wildcard_match("ci/*.yml", paths) == ["ci/a.yml"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3600", 3600),
        ("42 seconds", 42),
        ("1h 30m", 5400),
        ("1h30m", 5400),
        ("3 hours 30 minutes", 12_600),
        ("3h and 30min", 12_600),
        ("1 hr, 20 mins, 3 sec", 4803),
        ("1.5 hours", 5400),
        ("3 mins 4 sec", 184),
        ("2 hrs 20 min", 8400),
        ("2h20min", 8400),
        ("6 mos 1 day", 15_638_400),
        ("47 yrs 6 mos and 4d", 1_499_104_800),
        ("3 weeks and 2 days", 1_987_200),
        ("1:30", 90),
        ("1:30:00", 5400),
        ("1 Week", 604_800),
        ("", None),
        ("soon", None),
        ("1 fortnight", None),
        ("h", None),
        ("-1h", None),
        ("1h later", None),
    ],
)
def test_duration(text: str, seconds: int | None) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("literal", "text", "matches"),
    [
        ("/^v[0-9]+$/", "v12", True),
        ("/^v[0-9]+$/", "v12\n", False),
        ("/issue/", "severe-issues", True),
        ("/a\\x40b/", "a@b", True),
        ("/^main$/i", "MAIN", True),
        ("/[$]x/", "$x", True),
        ("/a|b{2}/U", "bb", True),
        (r"/\\z/", "\\z", True),
        ("/^[*+]+$/", "+*", True),
        (r"/^a\++$/", "a++", True),
        (r"/^a{2}b{1,}?$/", "aab", True),
        ("/^[]x]$/", "]", True),
        (r"/^[\]$]+$/", "$]", True),
        ("/^[^[:digit:]]+$/", "a[", True),
        ("/(?i)MAIN/", "main", True),
        ("/a/", "bab", True),
        ("/^feature/.*$/", "feature/x", True),
        ("/\\Amain\\z/", "main", True),
        ("/^(fix|feat)\\//", "feat/x", True),
    ],
)
def test_regular_expression(literal: str, text: str, matches: bool) -> None:
    regex = compile_pattern(literal)
    assert regex is not None
    assert (regex.search(text) is not None) is matches


@pytest.mark.parametrize(
    "literal",
    [
        "main",
        "/main",
        "main/",
        "/(a/",
        r"/(a)\1/",
        "/(?<=a)b/",
        "/a++b/",
        "/a{2}+b/",
        r"/a\Z/",
        "/(?>a)/",
        "/a[[:^alpha:]]/",
        "/main/x",
    ],
)
def test_no_regular_expression(literal: str) -> None:
    assert compile_pattern(literal) is None


def test_only_defined_variables_are_expanded() -> None:
    known = {"A": "1", "AB": "2"}
    assert expand_existing("$A ${AB} %A% $ABC $$ ${", known) == "1 2 1 $ABC $$ ${"


def test_variables_in_variables_and_a_circle() -> None:
    variables = {"A": "$B/x", "B": "${C}", "C": "c", "X": "$Y", "Y": "$X"}
    assert expand_nested(variables) == {"A": "c/x", "B": "c", "C": "c", "X": "$X", "Y": "$Y"}
