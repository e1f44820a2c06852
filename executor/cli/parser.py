"""The command line of commands that people type: its mistakes are told as every other failure."""

from __future__ import annotations

import argparse

from executor.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class CommandParser(argparse.ArgumentParser):
    """The parser of `executor COMMAND`, with the options that all commands for one host share."""

    def __init__(self, command: str, description: str, *, epilog: str = "") -> None:
        super().__init__(
            prog=f"executor {command}",
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self._command = command
        self.add_argument("--config", metavar="FILE", help="gitlab-runner's config.toml; executor.toml lies beside it")
        self.add_argument("--runner", metavar="NAME", help="accepted as everywhere; the host has one state folder")

    def error(self, message: str) -> NoReturn:
        """Raise the mistake."""
        raise UsageError(f"{self._command}: {message}.", fix=f"`{self.prog} --help` shows the options.")


def add_container_options(parser: argparse.ArgumentParser) -> None:
    """Which of the job's containers is meant, the build container by default."""
    parser.add_argument("job", metavar="JOB", help="its number in GitLab, or its key in `executor ps --json`")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--service", metavar="NAME", help="a service, by any of its aliases")
    which.add_argument("--helper", action="store_true", help="the container for git, caches and artifacts")
