"""`executor register`: a runner of GitLab becomes a section of config.toml whose jobs this driver runs."""

from __future__ import annotations

import os
import sys

from executor import terminal
from executor.cli.parser import CommandParser
from executor.errors import SUCCESS, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from executor.setup.config_file import ConfigFile
    from executor.setup.creation import NewRunner

EPILOG = """\
The runner's token (glrt-...) comes from --token-file, from standard input, or is asked for. --token shows it
to everybody who may list processes on this host. --create makes the runner at GitLab, with an access token of
yours that has the scope create_runner, from --access-token-file or the variable GITLAB_TOKEN.

config.toml is written whole or not at all, for its owner alone; what it was is in config.toml.backup. All that
was in it stays as it is. Without a config.toml one is made.

exit code: 0 registered, 1 GitLab is not to be reached, 2 a wrong call, or GitLab or config.toml says no.

examples:
  executor register --url https://gitlab.example.com --token-file token
  executor register --url https://gitlab.example.com --create --project virida/app --protected
  executor register --url https://gitlab.example.com --name runner-01 --replace < token
"""


def main(arguments: list[str]) -> int:
    """Ask GitLab, then write; nothing is written where GitLab refuses."""
    from executor.setup.address import is_in_clear, require_address

    parsed = make_parser().parse_args(arguments)
    _require_sense(parsed)
    url = require_address(parsed.url)
    if is_in_clear(url):
        terminal.complain("register: the token goes over the network in clear: the address begins with http://.")
    _register(parsed, url)
    return SUCCESS


def make_parser() -> CommandParser:
    """The command line of `executor register`."""
    parser = CommandParser("register", "Let this driver run the jobs of a GitLab runner.", epilog=EPILOG)
    parser.add_argument("--url", required=True, help="GitLab's address")
    token = parser.add_mutually_exclusive_group()
    token.add_argument("--token", help="the runner's token; visible to others on this host")
    token.add_argument("--token-file", metavar="FILE", help="a file with it (mode 0600); `-` is standard input")
    token.add_argument("--create", action="store_true", help="create the runner at GitLab first")
    parser.add_argument("--name", help="what config.toml calls it; the host's name by default")
    parser.add_argument("--replace", action="store_true", help="take over the section of that name")
    parser.add_argument("--tls-ca-file", metavar="FILE", default="", help="GitLab's certificate authority, PEM")
    parser.add_argument("--root", metavar="DIR", default="/", help="as given to `executor install`")
    parser.add_argument("--executor", metavar="PATH", help="what starts the driver; installed one by default")
    _add_creation(parser)
    return parser


def _add_creation(parser: CommandParser) -> None:
    new = parser.add_argument_group("with --create")
    new.add_argument("--access-token-file", metavar="FILE", help="your access token; else the variable GITLAB_TOKEN")
    place = new.add_mutually_exclusive_group()
    place.add_argument("--group", default="", help="for a group's projects: number or path")
    place.add_argument("--project", default="", help="for a project: number or path; neither: for the whole instance")
    new.add_argument("--tags", default="virida", help="jobs' tags, with commas; virida by default")
    new.add_argument("--run-untagged", action="store_true", help="also for jobs without tags")
    new.add_argument("--description", help="what GitLab calls it; --name by default")
    new.add_argument("--locked", action="store_true", help="no other project may take it")
    new.add_argument("--protected", action="store_true", help="for jobs of protected refs only")
    new.add_argument("--paused", action="store_true", help="takes no jobs yet")
    new.add_argument("--max-time", metavar="SPAN", default="", help="the longest that a job may take, such as 2h")


def _require_sense(parsed: argparse.Namespace) -> None:
    given = [name for name in ("access_token_file", "group", "project", "locked", "protected") if getattr(parsed, name)]
    given += [name for name in ("paused", "run_untagged", "description", "max_time") if getattr(parsed, name)]
    if given and not parsed.create:
        raise UsageError(f"register: --{given[0].replace('_', '-')} is for --create.", fix="Add --create.")
    name = _name(parsed)
    if not name.strip() or not name.isprintable():
        raise UsageError("register: a runner needs a name that can be shown.", fix="Give it with --name.")
    if parsed.tls_ca_file and not os.path.isfile(parsed.tls_ca_file):
        raise UsageError(f"register: there is no file {parsed.tls_ca_file}.", fix="Correct --tls-ca-file.")


def _register(parsed: argparse.Namespace, url: str) -> None:
    from executor.setup.config_file import changing
    from executor.setup.registration import require_free_name

    with changing(_config(parsed)) as config:
        config.require_writable()
        require_free_name(config, _name(parsed), replace=parsed.replace)
        executor = _executor(parsed)
        if parsed.create:
            _create_and_enter(parsed, url, config, executor)
        else:
            _enter(parsed, url, config, executor, _runner_token(parsed))
    _tell_next(parsed, config)


def _create_and_enter(parsed: argparse.Namespace, url: str, config: ConfigFile, executor: str) -> None:
    """A runner that cannot be entered is deleted again: its token would be lost."""
    from executor.errors import ExecutorError
    from executor.setup.creation import create
    from executor.setup.runner_token import delete

    wanted = _wanted(parsed)
    token = create(url, _access_token(parsed), wanted, _authority(parsed))
    terminal.show(f"Created at {url}.")
    try:
        _enter(parsed, url, config, executor, token)
    except ExecutorError:
        try:
            delete(url, token, _authority(parsed))
        except ExecutorError:
            terminal.complain("register: the runner that was just created is of no use. Delete it in GitLab.")
        raise


def _enter(parsed: argparse.Namespace, url: str, config: ConfigFile, executor: str, token: str) -> None:
    """Verify the token, and write the section."""
    from executor.setup.account import runner_account
    from executor.setup.registration import registered
    from executor.setup.runner_token import verify
    from executor.setup.template import Registration

    known = verify(url, token, _authority(parsed))
    expires = f", expires {terminal.printable(known.expires)}" if known.expires else ""
    terminal.show(f"GitLab knows the token: runner {known.number}{expires}.")
    registration = Registration(
        name=_name(parsed), url=url, token=token, executor=executor, config=os.path.abspath(config.path)
    )
    text = registered(config, registration, number=known.number, authority=_authority(parsed))
    account = runner_account(parsed.root, config.path)
    config.save(text, (account.uid, account.gid))


def _tell_next(parsed: argparse.Namespace, config: ConfigFile) -> None:
    kept = "" if config.is_new or not os.path.exists(config.backup) else f" What it was: {config.backup}"
    terminal.show(f"{terminal.printable(_name(parsed))} is in {config.path}.{kept}")
    place = "" if parsed.root == "/" and not parsed.config else f" --config {config.path}"
    terminal.show(f"gitlab-runner reads it by itself within seconds. Next: executor doctor --job{place}")


def _name(parsed: argparse.Namespace) -> str:
    import socket

    return str(parsed.name or parsed.runner or socket.gethostname())


def _config(parsed: argparse.Namespace) -> str:
    from executor.setup.places import Places

    return os.path.abspath(parsed.config or Places(parsed.root).config)


def _authority(parsed: argparse.Namespace) -> str:
    return os.path.abspath(parsed.tls_ca_file) if parsed.tls_ca_file else ""


def _executor(parsed: argparse.Namespace) -> str:
    """The absolute path for `[runners.custom]`: the start script if it is installed, else what runs now."""
    from executor.setup.places import Places, running_launcher

    installed = Places(parsed.root).start_script
    path = os.path.abspath(parsed.executor) if parsed.executor else installed
    if not parsed.executor and not os.path.exists(installed):
        path = running_launcher()
    if not os.access(path, os.X_OK) or os.path.isdir(path):
        raise UsageError(f"register: {path} cannot be started.", fix="Correct --executor, or call `executor install`.")
    return path


def _runner_token(parsed: argparse.Namespace) -> str:
    from executor.setup.secrets import from_file, require_runner_token

    if parsed.token is not None:
        return require_runner_token(parsed.token.strip())
    if not parsed.token_file and sys.stdin.isatty():
        from getpass import getpass

        return require_runner_token(getpass("The runner's token: ").strip())
    return require_runner_token(from_file(parsed.token_file or "-"))


def _access_token(parsed: argparse.Namespace) -> str:
    from executor.setup.secrets import from_file, require_access_token

    given = from_file(parsed.access_token_file) if parsed.access_token_file else os.environ.get("GITLAB_TOKEN", "")
    return require_access_token(given.strip())


def _wanted(parsed: argparse.Namespace) -> NewRunner:
    from executor.setup.creation import NewRunner

    return NewRunner(
        description=parsed.description or _name(parsed),
        tags=tuple(tag for word in parsed.tags.split(",") if (tag := word.strip())),
        group=parsed.group,
        project=parsed.project,
        run_untagged=parsed.run_untagged,
        locked=parsed.locked,
        protected=parsed.protected,
        paused=parsed.paused,
        maximum_timeout=_seconds(parsed.max_time),
    )


def _seconds(span: str) -> int:
    from executor.settings.units import parse_duration

    try:
        return parse_duration(span) if span else 0
    except ValueError as error:
        raise UsageError(f"register: --max-time: {error}.", fix="Write it as 2h or 90m.") from None
