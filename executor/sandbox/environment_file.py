"""The job's variables for an image's entrypoint.

Under the docker executor they are part of the container's metadata, where `docker inspect` shows every secret. Here
they are a file of the control folder that a wrapper reads before the entrypoint starts; the script brings its own.
"""

from __future__ import annotations

import os
import re

from executor.plan.model import CONTROL

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# A shell stops at an attempt to set one of these, or to set the last four to what is no arithmetic.
SHELLS_OWN = frozenset(
    {"UID", "EUID", "PPID", "BASHOPTS", "SHELLOPTS", "BASH_VERSINFO", "OPTIND", "RANDOM", "SRANDOM", "HISTCMD"}
)


# What the wrapper says of an entrypoint that cannot be run, before its name. bash needs the option to live that long.
NO_ENTRYPOINT = "virida-executor: cannot run the entrypoint "
WRAPPER = f"""trap 'echo "{NO_ENTRYPOINT}$1" >&2' EXIT; shopt -s execfail 2>/dev/null
. {CONTROL}/environment; exec "$@\""""


def wrapped_entrypoint(control_folder: str, entrypoint: tuple[str, ...], variables: dict[str, str]) -> tuple[str, ...]:
    """`entrypoint` behind a shell that exports the job's variables; writes the file that it reads."""
    write_environment(f"{control_folder}/environment", variables)
    return ("sh", "-c", WRAPPER, "sh", *entrypoint)


def write_environment(path: str, variables: dict[str, str]) -> None:
    """Write `export` lines that any POSIX shell reads. The folder above keeps other users of the host out."""
    lines = [
        f"export {name}='{quoted(value)}'\n"
        for name, value in variables.items()
        if NAME.fullmatch(name) and name not in SHELLS_OWN
    ]
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    with open(descriptor, "w", errors="surrogateescape") as file:
        file.writelines(lines)
    os.chmod(path, 0o644)


def quoted(value: str) -> str:
    """The inside of a single-quoted shell word."""
    return value.replace("'", "'\\''")
