"""A job's variables in their order of precedence, expanded in the two steps of GitLab and its runner."""

from __future__ import annotations

import re

from executor.job.model import Variable
from executor.job.variables import expand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from executor.pipeline.local.model import Paths

_REFERENCE = re.compile(r"\$\$|\$\{(?P<braced>[A-Za-z_]\w*)\}|\$(?P<plain>[A-Za-z_]\w*)")


def resolve(variables: Sequence[Variable]) -> tuple[Variable, ...]:
    """What GitLab sends to a runner: references to other variables replaced, recursively; the last of a key wins.

    Names that nobody set stay for the runner and the shell to expand, raw values stay as they are, and a reference
    to itself or in a circle stays too.
    """
    known = {variable.key: variable for variable in variables}
    return tuple(
        Variable(
            key=entry.key,
            value=_resolved(entry, known, frozenset()),
            public=entry.public,
            file=entry.file,
            masked=entry.masked,
            raw=entry.raw,
        )
        for entry in known.values()
    )


def _resolved(entry: Variable, known: Mapping[str, Variable], above: frozenset[str]) -> str:
    if entry.raw or entry.file:
        return entry.value
    seen = above | {entry.key}

    def replacement(match: re.Match[str]) -> str:
        name = match["braced"] or match["plain"]
        target = known.get(name or "")
        if target is None or target.file or target.key in seen:
            return match[0]
        return _resolved(target, known, seen)

    return _REFERENCE.sub(replacement, entry.value)


def stage_variables(
    variables: Iterable[Variable], paths: Paths | None, extra: Mapping[str, str]
) -> tuple[Variable, ...]:
    """What the runner exports: `extra` before the job's own, every value expanded once more and ready for the shell.

    Without `paths` (before config_exec) the folders are unknown: file variables are in `.tmp`.
    """
    entries = {**{key: Variable(key=key, value=value, raw=True) for key, value in extra.items()}}
    entries.update({variable.key: variable for variable in variables})
    folder = paths.temporary_dir if paths else ".tmp"
    originals = {entry.key: f"{folder}/{entry.key}" if entry.file else entry.value for entry in entries.values()}
    return tuple(
        entry if entry.raw or entry.file else _with_value(entry, expand(entry.value, originals))
        for entry in entries.values()
    )


def values(variables: Iterable[Variable], paths: Paths | None) -> dict[str, str]:
    """Name to value as scripts see them: file variables are paths."""
    folder = paths.temporary_dir if paths else ".tmp"
    return {entry.key: f"{folder}/{entry.key}" if entry.file else entry.value for entry in variables}


def _with_value(entry: Variable, value: str) -> Variable:
    return Variable(key=entry.key, value=value, public=entry.public, file=entry.file, masked=entry.masked, raw=True)
