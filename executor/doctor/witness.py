"""A process under the service's account that tells what this account may do.

Root may do everything, so asking as root tells nothing. The witness is forked before any thread is started, and needs
no program of its own: what the account may not even execute can be asked about as well.
"""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from executor.doctor.account import Account


class Witness:
    """Answers `may` as `account`. Where we are that account, or cannot become it, we answer ourselves."""

    def __init__(self, account: Account) -> None:
        self._lock = threading.Lock()
        self.speaks_for_account = os.geteuid() in (0, account.uid)
        self._pipes = _start(account) if os.geteuid() == 0 and account.uid != 0 else None

    def may(self, path: str, mode: int) -> bool:
        """Whether the account may reach `path` in `mode` (os.R_OK, W_OK, X_OK, F_OK)."""
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
