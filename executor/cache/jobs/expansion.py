"""Variables in `cache:paths`, which the runner leaves to a shell."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# `$A`, `${A}`, `${A-other}`, `${A:-other}`; `\$` is no variable. What else a shell knows matches nothing.
VARIABLE = re.compile(r"\\\$|\$(?:\{(?P<braced>\w+)(?P<other>:?-[^}]*)?\}|(?P<plain>\w+))", re.ASCII)


def with_variables(text: str, variables: Mapping[str, str]) -> str:
    """The text as a shell would expand it."""

    def value(found: re.Match[str]) -> str:
        name = found["braced"] or found["plain"]
        if not name:
            return "$"
        other = found["other"] or ""
        known = variables.get(name)
        missing = known is None or (other.startswith(":") and not known)
        return other.lstrip(":")[1:] if missing and other else known or ""

    return VARIABLE.sub(value, text)
