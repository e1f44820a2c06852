"""Allow-lists match as the docker executor's do, surprises included: an operator's list must not change its meaning."""

from __future__ import annotations

import pytest

from executor.plan.globs import matches, matches_any


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("ruby:3", "ruby:3"),
        ("ruby:*", "ruby:3.2-slim"),
        ("*", "ruby:3"),
        ("**", "registry.example:5000/group/app:1"),
        ("registry.example:5000/*:*", "registry.example:5000/app:1"),
        ("registry.example:5000/**", "registry.example:5000/group/sub/app:1"),
        ("registry.example:5000/**", "registry.example:5000"),
        ("registry.example/**/app:*", "registry.example/app:1"),
        ("registry.example/**/app:*", "registry.example/a/b/app:1"),
        ("**/app", "app"),
        ("**/app", "a/b/app"),
        ("**/**", "a/b"),
        ("{ruby,python}:*", "python:3"),
        ("{a,b{c,d}}:1", "bd:1"),
        ("{,my}app", "app"),
        ("ruby:[0-9]", "ruby:3"),
        ("ruby:[!0-9]", "ruby:x"),
        ("ruby:[^0-9]", "ruby:x"),
        ("ruby:[a.-]", "ruby:-"),
        (r"a[\]]", "a]"),
        ("ruby:?", "ruby:3"),
        (r"a\*", "a*"),
        (r"a[\^x]", "a^"),
        ("!*/kali*", "!x/kali"),
    ],
)
def test_matches(pattern: str, name: str) -> None:
    assert matches(name, pattern)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("ruby:*", "ruby"),
        ("ruby:*", "ruby@sha256:aa"),
        ("ruby:*", "docker.io/library/ruby:3"),
        ("Ruby:*", "ruby:3"),
        ("*", "group/app"),
        ("ruby**", "ruby/x"),
        ("registry.example:5000/*:*", "registry.example:5000/group/app:1"),
        ("registry.example/**", "registry.example.evil/app:1"),
        ("ruby:?", "ruby:"),
        ("a?b", "a/b"),
        ("ruby", "ruby:3"),
        ("uby", "ruby"),
        ("ruby.3", "ruby:3"),
        ("!*/kali*", "x/kali"),
        ("ruby:[0-9]", "ruby:34"),
        ("", "ruby"),
    ],
)
def test_does_not_match(pattern: str, name: str) -> None:
    assert not matches(name, pattern)


@pytest.mark.parametrize("pattern", ["[", "[]", "[]a]", "[!]", "a[b", "{a", "{a,b", "a}", "a\\", "{a,{b}", "[z-a]"])
def test_a_malformed_pattern_matches_nothing_not_even_itself(pattern: str) -> None:
    assert not any(matches(name, pattern) for name in (pattern, "a", "b", "ab", "", "z"))


def test_any() -> None:
    assert matches_any("ruby:3", ["python:*", "ruby:*"])
    assert not matches_any("ruby:3", [])
