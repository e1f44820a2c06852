"""The language of `rules:if`: `==`, `!=`, `=~`, `!~`, `!`, `&&`, `||` and parentheses over variables and strings.

Values are strings, None (null, or a variable that is not defined), booleans and patterns. As in GitLab, `&&` and `||`
take only null and false for false, while the whole expression is true if its value is present and not blank.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor.pipeline.regexes import LITERAL, compile_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Value = str | bool | re.Pattern[str] | None
    Variables = Mapping[str, str]
    Expression = Callable[[Variables], Value]

MAX_TOKENS = 100
_TOKEN = re.compile(
    r"""\s*(?:(?P<variable>\$\w+) | (?P<string>"[^"]*"|'[^']*') | (?P<pattern>"""
    + LITERAL.pattern
    + r""") | (?P<word>null|true|false)\b | (?P<operator>==|=~|!=|!~|&&|\|\||!|\(|\)))""",
    re.VERBOSE,
)
_WORDS: dict[str, bool | None] = {"null": None, "true": True, "false": False}


class ExpressionError(ValueError):
    """The text is no expression; the message says why."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


def is_true(text: str, variables: Variables) -> bool:
    """Whether the expression `text` holds for `variables` (unexpanded, as GitLab compares them).

    Raises ExpressionError where GitLab says "invalid expression syntax".
    """
    value = parse_expression(text)(variables)
    return bool(value.strip()) if isinstance(value, str) else bool(value)


def parse_expression(text: str) -> Expression:
    """A function from variables to the value of `text`; raises ExpressionError."""
    parser = _Parser(_tokens(text))
    expression = parser.disjunction()
    if parser.current:
        raise ExpressionError(f"unexpected `{parser.current}`")
    return expression


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    index, end = 0, len(text.rstrip())
    while index < end:
        found = _TOKEN.match(text, index)
        if not found:
            raise ExpressionError(f"cannot read `{text[index:end].strip()[:40]}`")
        tokens.append(_Token(str(found.lastgroup), found[str(found.lastgroup)]))
        index = found.end()
    if len(tokens) > MAX_TOKENS:
        raise ExpressionError(f"more than {MAX_TOKENS} parts")
    return tokens


class _Parser:
    """Recursive descent; `!` binds strongest, then comparisons, then `&&`, then `||`."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._index = 0

    @property
    def current(self) -> str:
        return self._tokens[self._index].text if self._index < len(self._tokens) else ""

    def _accept(self, *operators: str) -> str:
        token = self._tokens[self._index] if self._index < len(self._tokens) else None
        if token is None or token.kind != "operator" or token.text not in operators:
            return ""
        self._index += 1
        return token.text

    def disjunction(self) -> Expression:
        left = self._conjunction()
        while self._accept("||"):
            left = _either(left, self._conjunction())
        return left

    def _conjunction(self) -> Expression:
        left = self._comparison()
        while self._accept("&&"):
            left = _both(left, self._comparison())
        return left

    def _comparison(self) -> Expression:
        left = self._unary()
        while operator := self._accept("==", "!=", "=~", "!~"):
            left = _compare(operator, left, self._unary())
        return left

    def _unary(self) -> Expression:
        if not self._accept("!"):
            return self._primary()
        operand = self._unary()
        return lambda variables: not _present(operand(variables))

    def _primary(self) -> Expression:
        if self._accept("("):
            inner = self.disjunction()
            if not self._accept(")"):
                raise ExpressionError("a parenthesis is not closed")
            return inner
        if self._index >= len(self._tokens):
            raise ExpressionError("it ends too early")
        token = self._tokens[self._index]
        self._index += 1
        return _operand(token)


def _operand(token: _Token) -> Expression:
    if token.kind == "variable":
        return lambda variables: variables.get(token.text[1:])
    value = _literal(token)
    return lambda variables: value


def _literal(token: _Token) -> Value:
    if token.kind == "string":
        return token.text[1:-1]
    if token.kind == "word":
        return _WORDS[token.text]
    if token.kind == "operator":
        raise ExpressionError(f"unexpected `{token.text}`")
    pattern = compile_pattern(token.text)
    if pattern is None:
        raise ExpressionError(f"`{token.text}` is no regular expression of RE2")
    return pattern


def _truthy(value: Value) -> bool:
    return value is not None and value is not False


def _present(value: Value) -> bool:
    return bool(value.strip()) if isinstance(value, str) else bool(value)


def _either(left: Expression, right: Expression) -> Expression:
    def evaluate(variables: Variables) -> Value:
        value = left(variables)
        return value if _truthy(value) else right(variables)

    return evaluate


def _both(left: Expression, right: Expression) -> Expression:
    def evaluate(variables: Variables) -> Value:
        value = left(variables)
        return right(variables) if _truthy(value) else value

    return evaluate


def _compare(operator: str, left: Expression, right: Expression) -> Expression:
    test = _equal if operator in ("==", "!=") else _matches
    wanted = operator in ("==", "=~")
    return lambda variables: test(left(variables), right(variables)) is wanted


def _equal(left: Value, right: Value) -> bool:
    """A boolean and a string are compared as words."""
    if isinstance(left, bool) and isinstance(right, str):
        return str(left).lower() == right
    if isinstance(left, str) and isinstance(right, bool):
        return left == str(right).lower()
    return left == right


def _matches(left: Value, right: Value) -> bool:
    """A string on the right (from a variable) is a pattern if it has slashes, otherwise it is searched for the left."""
    text = str(left).lower() if isinstance(left, bool) else left if isinstance(left, str) else ""
    if isinstance(right, re.Pattern):
        return right.search(text) is not None
    if not isinstance(right, str):
        return False
    pattern = compile_pattern(right)
    return pattern.search(text) is not None if pattern else text in right
