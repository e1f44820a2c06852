"""The language of `rules:if`, case by case."""

from __future__ import annotations

import pytest

from executor.pipeline.expressions import ExpressionError, is_true

VARIABLES = {
    "SET": "my variable",
    "EMPTY": "",
    "BLANK": "  ",
    "BRANCH": "feature/login",
    "PATTERN": "/^feature/",
    "NO_PATTERN": "my variable and more",
    "NESTED": "/$SET/",
    "TRUE": "true",
    "LINES": "one\ntwo",
}


@pytest.mark.parametrize(
    "text",
    [
        '$SET == "my variable"',
        "$SET == 'my variable'",
        "'my variable' == $SET",
        '$SET != "other"',
        "$SET == $SET",
        "$SET",
        "$UNSET == null",
        "null == $UNSET",
        "$SET != null",
        "$EMPTY != null",
        '$EMPTY == ""',
        '$UNSET != ""',
        '"string"',
        "$SET =~ /my var/",
        "$SET =~ /^MY/i",
        "$SET !~ /^var/",
        "$UNSET !~ /a.*/",
        "$BRANCH =~ /^feature\\/.*$/",
        "$BRANCH =~ $PATTERN",
        "$SET =~ $NO_PATTERN",
        "$SET !~ $NESTED",
        "$SET !~ $UNSET",
        "$LINES =~ /^two$/m",
        "$LINES =~ /one.two/s",
        "$SET =~ /[[:alpha:]]+ [[:lower:]]/",
        "$SET =~ /variable\\z/",
        "$SET && $BRANCH",
        "$EMPTY && $SET",
        "$UNSET || $SET",
        "$UNSET || $UNSET || $SET",
        "$SET || $UNSET && $UNSET",
        "($SET || $UNSET) && $BRANCH",
        "($UNSET || ($SET && ($BRANCH)))",
        '$SET == "my variable" && $BRANCH =~ /^feature/ && $UNSET == null',
        "!$UNSET",
        "!$EMPTY",
        "!($SET == null)",
        '!$SET == "false"',
        "$TRUE == true",
        "true",
        '  $SET\n  == "my variable"  ',
        '($BRANCH =~ /^(feature|fix)\\//) && "a)b" == "a)b"',
    ],
)
def test_true(text: str) -> None:
    assert is_true(text, VARIABLES)


@pytest.mark.parametrize(
    "text",
    [
        '$SET == "my variable "',
        "$UNSET",
        "$EMPTY",
        "$BLANK",
        "null",
        "false",
        "$EMPTY == null",
        '$UNSET == ""',
        "$SET =~ /MY/",
        "$UNSET =~ /a.*/",
        "$SET =~ $UNSET",
        "$SET =~ /$SET/",
        "$LINES =~ /^two$/",
        "$LINES =~ /one.two/",
        "$SET && $EMPTY",
        "$EMPTY || $UNSET",
        "($SET || $UNSET) && $UNSET",
        "!$SET",
        "!!$UNSET",
        '!$SET == "true"',
    ],
)
def test_false(text: str) -> None:
    assert not is_true(text, VARIABLES)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it ends too early"),
        ("$SET ==", "it ends too early"),
        ("== $SET", "unexpected `==`"),
        ("$SET $SET", "unexpected `$SET`"),
        ("($SET", "a parenthesis is not closed"),
        ("$SET)", "unexpected `)`"),
        ('$SET == "open', 'cannot read `"open`'),
        ("$SET = 'a'", "cannot read `= 'a'`"),
        ("$SET =~ /a/", "cannot read `/a/`"),
        ("$SET =~ feature", "cannot read `feature`"),
        ("$SET =~ /(unclosed/", "`/(unclosed/` is no regular expression of RE2"),
        ("$SET =~ /^(?!main)/", "`/^(?!main)/` is no regular expression of RE2"),
        ("$SET && || $SET", "unexpected `||`"),
        (" && ".join(["$SET"] * 60), "more than 100 parts"),
    ],
)
def test_invalid(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        is_true(text, VARIABLES)
    assert str(caught.value) == reason
