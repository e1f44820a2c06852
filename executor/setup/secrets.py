"""Tokens from where an operator keeps them, and whether one is of the kind that is wanted."""

from __future__ import annotations

import os
import re
import stat
import sys

from executor.errors import OperatorError, UsageError

LONGEST_TOKEN = 4096
_TOKEN = re.compile(r"[A-Za-z0-9_.=-]+")


def from_file(path: str) -> str:
    """The token in a file, or on standard input for "-". OperatorError where others may read it too."""
    if path == "-":
        return sys.stdin.readline(LONGEST_TOKEN).strip()
    try:
        with open(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(LONGEST_TOKEN).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise OperatorError(f"the token in {path} cannot be read: {reason}.") from None
    if stat.S_ISREG(mode) and mode & 0o077:
        raise OperatorError(f"others may read the token in {path}.", fix=f"chmod 600 {path}")
    return text


def require_runner_token(token: str) -> str:
    """The token, if it may be one of a runner. The message never shows it."""
    if token.startswith("GR1348941"):
        raise UsageError(
            "that is a registration token, which GitLab no longer takes.",
            fix="Create the runner in GitLab and give its own token (glrt-...), or let --create make it.",
        )
    if token.startswith("glpat-"):
        raise UsageError(
            "that is a personal access token, not a runner's.",
            fix="Give it with --access-token-file, and --create.",
        )
    return _require_shape(token, "the runner's token (glrt-...)")


def require_access_token(token: str) -> str:
    """The token, if it may be one of a person."""
    if token.startswith("glrt-"):
        raise UsageError(
            "that is a runner's token: it cannot create runners.",
            fix="Register it as it is: --token-file FILE, without --create.",
        )
    return _require_shape(token, "an access token with the scope create_runner")


def _require_shape(token: str, wanted: str) -> str:
    if not token:
        raise UsageError("there is no token.", fix=f"Give {wanted}.")
    if not _TOKEN.fullmatch(token):
        raise UsageError("the token has characters that no token has.", fix=f"Give {wanted}, and nothing else.")
    return token
