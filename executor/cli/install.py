"""`executor install`: the driver's own files on this host."""

from __future__ import annotations

from executor import terminal
from executor.cli.parser import CommandParser
from executor.errors import SUCCESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from executor.setup.install import Change
    from executor.setup.manifest import Manifest
    from executor.setup.places import Places

EPILOG = """\
Written are the start script /usr/local/bin/executor, /etc/gitlab-runner/executor.toml where there is none,
and the state folder /var/lib/virida-executor for the account that runs gitlab-runner. A second call changes
nothing; after an update it renews what is ours. `executor uninstall` takes it back. config.toml is `executor
register`'s.

exit code: 0 installed, 2 a wrong call, or something stands in the way. Nothing is written where a check fails.
"""


def main(arguments: list[str]) -> int:
    """Check, show or write."""
    from executor.setup.install import apply
    from executor.setup.manifest import Manifest, load_manifest
    from executor.setup.places import Places

    parsed = make_parser().parse_args(arguments)
    places = Places(parsed.root)
    manifest = load_manifest(places.manifest) or Manifest()
    changes = _changes(parsed, places, manifest)
    if parsed.dry_run:
        return _show_only(changes)
    apply(changes, places, manifest)
    _tell(changes, places)
    return SUCCESS


def make_parser() -> CommandParser:
    """The command line of `executor install`."""
    parser = CommandParser("install", "Write the driver's own files on this host.", epilog=EPILOG)
    parser.add_argument("--root", metavar="DIR", default="/", help="a folder in place of /: all paths begin with it")
    parser.add_argument("--user", metavar="NAME", default="", help="who runs gitlab-runner; found out by default")
    parser.add_argument("--dry-run", action="store_true", help="only show, as a diff")
    return parser


def _changes(parsed: argparse.Namespace, places: Places, manifest: Manifest) -> list[Change]:
    """What is to be done, once all checks have passed."""
    from executor.setup.account import runner_account
    from executor.setup.checks import remarks, require_reach, require_rights
    from executor.setup.install import find_changes
    from executor.setup.places import python_beside, running_launcher
    from executor.setup.wanted import wanted_files, wanted_folders

    launcher = running_launcher()
    python = python_beside(launcher)
    account = runner_account(parsed.root, places.config, parsed.user)
    if not parsed.dry_run:
        require_rights(places, account)
    require_reach(account, launcher, python)
    for remark in remarks():
        terminal.complain(f"install: {remark}")
    return find_changes(places, wanted_files(places, python, launcher), wanted_folders(places), account, manifest)


def _show_only(changes: list[Change]) -> int:
    from executor.setup.preview import preview

    for line in preview(changes) or ["Nothing would change."]:
        terminal.show(terminal.printable(line))
    return SUCCESS


def _tell(changes: list[Change], places: Places) -> None:
    from executor.setup.preview import summary

    for change in changes:
        terminal.show(terminal.printable(summary(change)))
    root = "" if places.root == "/" else f" --root {places.root}"
    done = f"Installed. Next: {places.start_script} register{root} --url https://GITLAB --token-file FILE"
    terminal.show(terminal.printable(done) if changes else "Nothing to do: all is as it should be.")
