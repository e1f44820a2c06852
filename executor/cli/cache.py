"""`executor cache`: looks at the caches that this host keeps for jobs, and cares for them."""

from __future__ import annotations

from executor import terminal
from executor.errors import SUCCESS, UsageError

TEXT = """\
usage: executor cache COMMAND ...

Looks at the caches that this host keeps for jobs, and cares for them.

  ls [KEY ...]     the caches: size, age, hits, last job
  show KEY         one cache: layers, cached paths, digests, who uses it
  rm KEY ...       forget caches
  verify           compare all that is kept with its digests; drop what is damaged
  stats            hit rate, bytes and time saved
  push KEY ...     upload caches to the bucket that hosts share
  pull KEY ...     fetch what the bucket has newer
  gc               keep to the quota and age of [cache] in executor.toml

KEY is a key as the job log shows it, a pattern of keys (`deps-*`), or an id of `executor cache ls`.
`executor cache COMMAND --help` says more."""

COMMANDS = ("ls", "show", "rm", "verify", "stats", "push", "pull", "gc")
OPTIONS_WITH_VALUE = ("--config", "--runner")


def main(arguments: list[str]) -> int:
    """Run the command that the first word names."""
    command, rest = _command(arguments)
    if not command:
        terminal.show(TEXT)
        return SUCCESS
    if command not in COMMANDS:
        raise UsageError(
            f"cache: there is no command `{terminal.printable(command)}`.",
            cause=_guess(command),
            fix="`executor cache --help` lists them.",
        )
    module = __import__(f"executor.cli.cache_{command}", fromlist=["main"])
    return module.main(rest)  # type: ignore[no-any-return]


def _command(arguments: list[str]) -> tuple[str, list[str]]:
    """The command, and its arguments with the options that stood before it."""
    for index, word in enumerate(arguments):
        if not word.startswith("-") and (index == 0 or arguments[index - 1] not in OPTIONS_WITH_VALUE):
            return word, arguments[:index] + arguments[index + 1 :]
    return "", arguments


def _guess(word: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, COMMANDS, n=1)
    return f"Did you mean `{close[0]}`?" if close else ""
