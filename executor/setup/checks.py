"""What must be right before anything is written: that the service can start this driver, and that we may write."""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING

from executor.errors import OperatorError

if TYPE_CHECKING:
    from executor.setup.account import RunnerAccount
    from executor.setup.places import Places


def require_rights(places: Places, account: RunnerAccount) -> None:
    """OperatorError where the files cannot be written, or given to the account, by who calls us."""
    if os.path.abspath(places.root) == "/" and os.geteuid():
        raise OperatorError("only root may install on this host.", fix="sudo executor install")
    if os.geteuid() and account.uid != os.geteuid():
        raise OperatorError(
            f"only root may give folders to {account.name}.", fix="Leave --user out, or call it as root."
        )


def require_reach(account: RunnerAccount, *paths: str) -> None:
    """OperatorError where the account cannot reach one of the paths: the driver would not start for it."""
    for path in paths:
        closed = next((folder for folder in _way_to(os.path.realpath(path)) if not _may_enter(account, folder)), "")
        if closed:
            raise OperatorError(
                f"{account.name}, who runs gitlab-runner, may not enter {closed}: the driver in it would not start.",
                fix="Install virida-executor where everybody may read it, such as /opt/virida-executor.",
            )


def remarks() -> list[str]:
    """What is missing on this host, and does not hinder writing files."""
    missing = []
    if not shutil.which("gitlab-runner"):
        missing.append("gitlab-runner is not on PATH. scripts/install.sh installs it.")
    if not os.path.exists("/var/run/docker.sock") and not os.environ.get("DOCKER_HOST"):
        missing.append("there is no Docker Engine here. scripts/install.sh installs one.")
    return missing


def _way_to(path: str) -> list[str]:
    folders: list[str] = []
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        folders.insert(0, path)
    return folders


def _may_enter(account: RunnerAccount, folder: str) -> bool:
    """By the mode alone, and the account's main group."""
    if account.uid == 0:
        return True
    status = os.stat(folder)
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    return bool(status.st_mode & (stat.S_IXGRP if status.st_gid == account.gid else stat.S_IXOTH))
