"""Variables as the runner expands them: one pass, the last of equal names wins, file variables stand for their path."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from executor.job.model import Job, Variable

REFERENCE = re.compile(r"\$(?:\{(?P<braced>[^}]*)\}|\{|(?P<special>[*#$@!?\-0-9])|(?P<plain>[A-Za-z0-9_]+))")
SPECIAL = frozenset("*#@!?-0123456789")
TRUE_WORDS = frozenset({"1", "t", "T", "true", "TRUE", "True"})
FILES_OF_THE_RUNNER = ("CI_SERVER_TLS_CA_FILE", "CI_SERVER_TLS_CERT_FILE", "CI_SERVER_TLS_KEY_FILE")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$NAME` and `${NAME}` in one pass; unknown names become nothing, `$$` becomes `$`.

    As in Go's os.Expand: `${NAME:-default}` is an unknown name, `${}` and an unclosed `${` vanish, and a `$` before
    any other character stays.
    """

    def value(match: re.Match[str]) -> str:
        name = match["braced"] or match["special"] or match["plain"] or ""
        if name == "$":
            return "$"
        return "" if name in SPECIAL else variables.get(name, "")

    return REFERENCE.sub(value, text)


def parse_bool(text: str) -> bool:
    """A switch in a variable, in the words that the runner knows; anything else is off."""
    return text in TRUE_WORDS


def last_entries(variables: Iterable[Variable]) -> dict[str, Variable]:
    """Of entries with the same key the last, which is the one in effect."""
    return {variable.key: variable for variable in variables}


def job_variables(job: Job, environment: Mapping[str, str]) -> dict[str, str]:
    """All variables of the job as its scripts see them: expanded, raw ones verbatim, file variables as their path.

    `environment` is the job's own (see `custom_environment`), which also holds what the runner added; it may be empty
    where no runner is at work.
    """
    entries = last_entries(job.variables)
    originals = {**environment, **{key: _referenced(entry, environment) for key, entry in entries.items()}}
    effective = dict(environment)
    for key, entry in entries.items():
        if entry.file:
            effective[key] = originals[key]
        elif key not in environment:
            effective[key] = entry.value if entry.raw else expand(entry.value, originals)
    for key in FILES_OF_THE_RUNNER:
        if key in environment and key not in entries:
            effective[key] = file_path(key, environment)
    return effective


def file_path(key: str, environment: Mapping[str, str]) -> str:
    """Where in the containers the file of a file variable lies."""
    return f"{environment.get('RUNNER_TEMP_PROJECT_DIR', '.tmp')}/{key}"


def _referenced(entry: Variable, environment: Mapping[str, str]) -> str:
    return file_path(entry.key, environment) if entry.file else entry.value
