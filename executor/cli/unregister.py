"""`executor unregister`: a runner's section leaves config.toml; the runner leaves GitLab if that is wanted."""

from __future__ import annotations

import os

from executor import terminal
from executor.cli.parser import CommandParser
from executor.errors import SUCCESS, OperatorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EPILOG = """\
Without --runner it is the only [[runners]] with executor = "custom". All else in config.toml stays as it is;
what the file was is in config.toml.backup, with the token. A running gitlab-runner ends the jobs that it has,
and takes no more.

exit code: 0 unregistered, 1 GitLab is not to be reached (nothing changed), 2 a wrong call, or no such runner.

examples:
  executor unregister --runner runner-01             the section only: the runner stays in GitLab
  executor unregister --runner runner-01 --delete    both
"""


def main(arguments: list[str]) -> int:
    """GitLab first: where it does not answer, the section stays and the call can be repeated."""
    from executor.setup.config_file import changing, find_runner
    from executor.setup.places import Places
    from executor.setup.sections import without_section

    parsed = make_parser().parse_args(arguments)
    with changing(os.path.abspath(parsed.config or Places(parsed.root).config)) as config:
        number = find_runner(config, parsed.runner)
        runner = config.runners[number]
        text = without_section(config.text, number)
        config.require_writable()
        if parsed.delete:
            _delete(runner)
        config.save(text, None)
    name = terminal.printable(str(runner.get("name")))
    terminal.show(f"{name} is no longer in {config.path}. What it was: {config.backup}")
    return SUCCESS


def make_parser() -> CommandParser:
    """The command line of `executor unregister`."""
    parser = CommandParser("unregister", "Take a runner out of config.toml.", epilog=EPILOG)
    parser.add_argument("--root", metavar="DIR", default="/", help="as given to `executor install`")
    parser.add_argument("--delete", action="store_true", help="delete the runner at GitLab as well")
    return parser


def _delete(runner: dict[str, Any]) -> None:
    from executor.settings.token import expand_environment
    from executor.setup.address import require_address
    from executor.setup.runner_token import delete

    token = expand_environment(str(runner.get("token") or ""))
    if not token:
        raise OperatorError(
            "its section has no token to delete it with.", fix="Delete it in GitLab; leave --delete out."
        )
    url = require_address(expand_environment(str(runner.get("url") or "")))
    known = delete(url, token, str(runner.get("tls-ca-file") or ""))
    terminal.show(f"Deleted at {url}." if known else f"{url} does not know it (any more).")
