"""A runner's token, of which only the shortened form is ever kept, and the variables in it."""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIXES = (r"^glrt-(t[123]_)?|^t[123]_|^glrtr-", r"^glcbt-", r"^GR[0-9A-Fa-f]{7}")
_SHORT_LENGTH = 9
_REFERENCE = re.compile(
    r"\$(?:\{(?P<braced>[^}]*)\}|(?P<special>[*#$@!?0-9-])|(?P<plain>[A-Za-z0-9_]+)|(?P<broken>\{))"
)


def shorten_token(token: str) -> str:
    """The part of a runner's token that may be shown: it names volumes, containers and folders."""
    for prefix in _PREFIXES:
        token = re.sub(prefix, "", token)
    return token[:_SHORT_LENGTH]


def expand_environment(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Replace $NAME and ${NAME} by the runner's rules: unset ones by nothing; a `$` before no name stays."""

    def value(match: re.Match[str]) -> str:
        name = match["braced"] or match["special"] or match["plain"]
        return environment.get(name, "") if name else ""

    return _REFERENCE.sub(value, text)
