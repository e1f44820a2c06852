"""A process under the service's account that tells what this account may do.

Root may do everything, so asking as root tells nothing. The witness is forked before any thread is started, and needs
no program of its own: what the account may not even execute can be asked about as well.
"""

from __future__ import annotations

import json
import os
import stat
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from executor.doctor.account import Account


class Witness:
    """Answers `may` as `account`: by itself, by us where we are that account, by modes where we cannot become it."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._lock = threading.Lock()
        self.speaks_for_account = os.geteuid() in (0, account.uid)
        self._pipes = _start(account) if os.geteuid() == 0 and account.uid != 0 else None

    def may(self, path: str, mode: int) -> bool:
        """Whether the account may reach `path` in `mode` (os.R_OK, W_OK, X_OK, F_OK)."""
        if not self.speaks_for_account:
            return may_by_modes(self._account, path, mode)
        if not self._pipes:
            return os.access(path, mode)
        answers, questions = self._pipes
        with self._lock:
            os.write(questions, json.dumps([path, mode]).encode() + b"\n")
            return os.read(answers, 1) == b"1"

    def close(self) -> None:
        """Let the process end."""
        for descriptor in self._pipes or ():
            os.close(descriptor)
        self._pipes = None


def may_by_modes(account: Account, path: str, mode: int) -> bool:
    """What owners and modes say, as far as we can see them. What we cannot see, nobody is accused of."""
    try:
        folders = [parent for parent in _parents(path) if not _bits(account, parent) & os.X_OK]
        return not folders and _bits(account, path) & mode == mode
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _parents(path: str) -> list[str]:
    parts = os.path.abspath(path).split("/")[1:-1]
    return ["/".join(["", *parts[: count + 1]]) for count in range(len(parts))]


def _bits(account: Account, path: str) -> int:
    """Read, write, execute, as in a mode's three bits. Root has all, but executes only what somebody may."""
    status = os.stat(path)
    if account.uid == 0:
        return 7 if status.st_mode & 0o111 or stat.S_ISDIR(status.st_mode) else 6
    if status.st_uid == account.uid:
        return status.st_mode >> 6 & 7
    shared = status.st_gid in (account.gid, *account.groups)
    return (status.st_mode >> 3 if shared else status.st_mode) & 7


def _start(account: Account) -> tuple[int, int]:
    questions, ask = os.pipe()
    listen, answers = os.pipe()
    if os.fork() == 0:
        try:
            os.close(ask)
            os.close(listen)
            _become(account)
            _answer(questions, answers)
        finally:
            os._exit(0)
    os.close(questions)
    os.close(answers)
    return listen, ask


def _become(account: Account) -> None:
    os.setgroups(account.groups)
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)


def _answer(questions: int, answers: int) -> None:
    with os.fdopen(questions) as lines:
        for line in lines:
            path, mode = _question(line)
            os.write(answers, b"1" if os.access(path, mode) else b"0")


def _question(line: str) -> tuple[Any, Any]:
    path, mode = json.loads(line)
    return path, mode
