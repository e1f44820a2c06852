"""Who will run the driver: the account of gitlab-runner."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor.errors import UsageError

if TYPE_CHECKING:
    from executor.doctor.account import Account


@dataclass(frozen=True, kw_only=True)
class RunnerAccount:
    """An account of this host."""

    uid: int
    gid: int
    name: str


def runner_account(root: str, config: str, name: str = "") -> RunnerAccount:
    """The account called `name`; else that of gitlab-runner.

    Which is the one of its process with this config.toml, of its systemd unit, the file's owner, or who calls us. Below
    another root than "/" there is no service: only the file's owner counts.
    UsageError for a name that this host does not know.
    """
    if name:
        return _named(name)
    found = _found(root, config)
    return RunnerAccount(uid=found.uid, gid=found.gid, name=found.name)


def _found(root: str, config: str) -> Account:
    from executor.doctor.account import find_account, read_unit
    from executor.doctor.processes import runner_processes

    if os.path.abspath(root) != "/":
        return find_account(None, None, config)
    real = os.path.realpath(config)
    process = next((one for one in runner_processes() if os.path.realpath(one.config) == real), None)
    return find_account(process, read_unit(), config)


def _named(name: str) -> RunnerAccount:
    import pwd

    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise UsageError(f"this host has no account called {name}.", fix="Correct --user.") from None
    return RunnerAccount(uid=entry.pw_uid, gid=entry.pw_gid, name=name)
