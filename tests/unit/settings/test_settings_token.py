"""Short tokens and variables in them. The expected values are those of gitlab-runner and of Go's os.ExpandEnv."""

from __future__ import annotations

import pytest

from executor.settings.token import expand_environment, shorten_token


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("", ""),
        ("short", "short"),
        ("abcdefghijkl", "abcdefghi"),
        ("glrt-abcdefghijkl", "abcdefghi"),
        ("glrt-t1_abcdefghijkl", "abcdefghi"),
        ("t3_abcdefghijkl", "abcdefghi"),
        ("t4_abcdefghijkl", "t4_abcdef"),
        ("glrtr-abcdefghijkl", "abcdefghi"),
        ("GR1348941abcdefghijkl", "abcdefghi"),
        ("glcbt-abcdefghijkl", "abcdefghi"),
    ],
)
def test_short_token(token: str, expected: str) -> None:
    assert shorten_token(token) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$NAME", "value"),
        ("a${NAME}b", "avalueb"),
        ("$NAMES", ""),
        ("$NESTED", "$NAME"),
        ("$", "$"),
        ("a$ b", "a$ b"),
        ("$-x", "x"),
        ("$1x", "x"),
        ("${}x", "x"),
        ("${x", "x"),
        ("${NAME", "NAME"),
        ("$é", "$é"),
    ],
)
def test_variables(text: str, expected: str) -> None:
    assert expand_environment(text, {"NAME": "value", "NESTED": "$NAME"}) == expected
