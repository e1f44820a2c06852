"""Words and frames of POSIX shell scripts, shared by all stages."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from executor.job.model import Variable
    from executor.pipeline.local.model import Paths

GREEN = "\x1b[32;1m"
YELLOW = "\x1b[0;33m"
RED = "\x1b[31;1m"
RESET = "\x1b[0;m"

_FRAME = """#!/usr/bin/env bash

trap 'exit 1' TERM

if (set -o pipefail) 2> /dev/null; then set -o pipefail; fi; set -o errexit
set +o noclobber
(trap 'exit 1' TERM; eval {body}) < /dev/null
exit 0
"""


def quote(text: str) -> str:
    """`text` as one word that every POSIX shell reads back unchanged (`$'..'` is not known to dash)."""
    return "'" + text.replace("'", "'\\''") + "'"


def script(*parts: str) -> str:
    """A whole stage script of the parts' lines: it stops at the first failing command and exits with its code."""
    body = "\n".join(part for part in parts if part)
    return _FRAME.format(body=quote(body + "\n"))


def say(text: str, colour: str = "") -> str:
    """A command that prints `text` and nothing else: `echo` would interpret backslashes in dash."""
    return f"printf '%s\\n' {quote(f'{colour}{text}{RESET}' if colour else text)}"


def exports(variables: Iterable[Variable], paths: Paths) -> str:
    """Export every variable, file variables as the path of a file with their content, then what GITLAB_ENV holds."""
    lines = [line for variable in variables for line in _export(variable, paths)]
    environment = quote(environment_file(paths))
    return "\n".join(
        [
            *lines,
            f"export GITLAB_ENV={environment}",
            f"mkdir -p {quote(paths.temporary_dir)}",
            f"touch {environment}",
            f'while read -r line; do export "$line"; done < {environment}',
        ]
    )


def environment_file(paths: Paths) -> str:
    """The file that GITLAB_ENV names: lines written to it are exported in later stages."""
    return f"{paths.temporary_dir}/gitlab_runner_env"


def variable_file(variable: Variable, paths: Paths) -> str:
    """Where the content of a file variable is written."""
    return f"{paths.temporary_dir}/{variable.key}"


def hand_over(paths: Paths, *folders: str) -> str:
    """Give `folders` to the build container's user, where the driver left a file that says who that is."""
    mark = quote(f"{paths.builds_dir}/.gitlab-build-uid-gid")
    owner = f"\"$(stat -c '%u:%g' {mark})\""
    give = [f"  if [ -d {quote(folder)} ]; then chown -R {owner} {quote(folder)}; fi" for folder in folders]
    return "\n".join([f"if [ -e {mark} ]; then", *give, "fi"])


def _export(variable: Variable, paths: Paths) -> list[str]:
    if not variable.file:
        return [f"export {quote(f'{variable.key}={variable.value}')}"]
    path = variable_file(variable, paths)
    return [
        f"mkdir -p {quote(paths.temporary_dir)}",
        f"printf '%s' {quote(variable.value)} > {quote(path)}",
        f"export {quote(f'{variable.key}={path}')}",
    ]
