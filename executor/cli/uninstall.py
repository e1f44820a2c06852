"""`executor uninstall`: takes back what `executor install` wrote."""

from __future__ import annotations

import os

from executor import terminal
from executor.cli.parser import CommandParser
from executor.errors import SUCCESS, OperatorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.setup.places import Places
    from executor.setup.uninstall import Removal

EPILOG = """\
Files that were changed since stay, and folders that hold something: each is told. What jobs left in the state
folder (caches, history, audit log) goes only with --purge. It is refused while config.toml has runners that call
this driver.

exit code: 0 uninstalled, 2 a wrong call, or something stands in the way.
"""


def main(arguments: list[str]) -> int:
    """Look, show or remove."""
    from executor.setup.manifest import load_manifest
    from executor.setup.places import Places
    from executor.setup.uninstall import find_removal, remove

    parsed = make_parser().parse_args(arguments)
    places = Places(parsed.root)
    manifest = load_manifest(places.manifest)
    if manifest is None:
        terminal.show("Nothing is installed.")
        return SUCCESS
    _require_unused(places, parsed.config)
    removal = find_removal(places, manifest, purge=parsed.purge)
    _tell(removal, "would remove" if parsed.dry_run else "removed", places)
    if not parsed.dry_run:
        remove(removal, places)
    return SUCCESS


def make_parser() -> CommandParser:
    """The command line of `executor uninstall`."""
    parser = CommandParser("uninstall", "Take back what `executor install` wrote.", epilog=EPILOG)
    parser.add_argument("--root", metavar="DIR", default="/", help="as given to `executor install`")
    parser.add_argument("--purge", action="store_true", help="also what jobs left: caches, history, audit log")
    parser.add_argument("--dry-run", action="store_true", help="only show")
    return parser


def _require_unused(places: Places, config: str | None) -> None:
    """Without its start script, every job of such a runner would fail."""
    from executor.setup.config_file import ConfigFile

    file = ConfigFile(os.path.abspath(config or places.config))
    calls = [one.get("custom", {}) for one in file.runners]
    users = [str(one.get("name")) for one, custom in zip(file.runners, calls, strict=True) if _is_ours(custom, places)]
    if users:
        raise OperatorError(
            f"{file.path} has a runner that calls this driver: {users[0]}.",
            fix=f"executor unregister --config {file.path} --runner {users[0]}",
        )


def _is_ours(custom: object, places: Places) -> bool:
    return isinstance(custom, dict) and places.start_script in custom.values()


def _tell(removal: Removal, verb: str, places: Places) -> None:
    for path in [*removal.files, places.manifest]:
        terminal.show(terminal.printable(f"{verb} {path}"))
    for path in removal.trees:
        terminal.show(terminal.printable(f"{verb} {path} with all that is in it"))
    for path in removal.folders:
        terminal.show(terminal.printable(f"{verb} folder {path}"))
    for path, why in removal.kept.items():
        terminal.show(terminal.printable(f"kept {path}: {why}"))
