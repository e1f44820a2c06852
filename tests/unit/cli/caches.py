"""A host with caches: real stores in a folder, and `executor cache` for it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executor import cli
from executor.cache.store.model import Maker, Place, Snapshot
from executor.cache.store.store import Store

if TYPE_CHECKING:
    import pytest

LAUNCHER = str(Path(sys.executable).parent / "executor")
LEASE = "job"
HOSTILE = "\x1b[2J\x1b]0;title\x07\u202e\n\t" + "A" * 100_000 + "\r\udcffend"


class CacheHost:
    """A host whose runners `one` and `two` have stores as soon as something is saved in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.config = folder / "config.toml"
        sections = [
            f'[[runners]]\nname = "{name}"\ntoken = "glrt-{name * 9}"\nexecutor = "custom"' for name in ("one", "two")
        ]
        self.config.write_text("\n".join(sections))
        self.says("")

    def says(self, lines: str) -> None:
        """The operator's executor.toml."""
        (self.folder / "executor.toml").write_text(f'{lines}\n[storage]\nstate_dir = "{self.state}"\n')

    def store(self, runner: str = "one") -> Store:
        """The store of a runner."""
        from executor.settings.token import shorten_token

        return Store(f"{self.state}/caches/{shorten_token(f'glrt-{runner * 9}')}")

    def save(
        self,
        key: str = "deps",
        *,
        project: str = "virida/app",
        project_id: int = 7,
        trust: str = "u",
        files: int = 3,
        runner: str = "one",
        base: Snapshot | None = None,
    ) -> Snapshot:
        """Save a cache of so many files of 10,000 bytes, as job 88100 does."""
        store = self.store(runner)
        staged = store.stage(LEASE)
        folder = Path(staged, project, "node_modules")
        folder.mkdir(parents=True)
        for number in range(files):
            (folder / f"{len(store.snapshots())}-{time.time_ns()}-{number}").write_bytes(os.urandom(10_000))
        snapshot = store.publish(
            Place(project_id=project_id, trust=trust, key=key),
            staged,
            lease=LEASE,
            base=base,
            prefix=project,
            roots=["node_modules"],
            maker=Maker(job_id=88100, job_name="test:ai-ml", project=project),
        )
        store.release(LEASE)
        return snapshot

    def finish(self, *snapshots: Snapshot, runner: str = "one") -> None:
        """What follows a job: digests."""
        self.store(runner).finish([snapshot.place for snapshot in snapshots])

    def call(self, *words: str) -> int:
        """The exit code of `executor cache` with these words, in this process."""
        return cli.dispatch(["--config", str(self.config), "cache", *words])

    def answer(self, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
        """What it says as JSON."""
        assert self.call(*words, "--json") == code
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert answer["version"] == 1
        return answer

    def refusal(self, capsys: pytest.CaptureFixture[str], *words: str) -> str:
        """The one line that it says where the call is wrong."""
        assert self.call(*words) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith("executor: ")
        assert told.err.count("\n") == 1
        assert told.err[:-1].isprintable()
        return told.err

    def keys(self, runner: str = "one") -> list[str]:
        """The keys of a runner's caches."""
        return sorted(each.snapshot.place.key for each in self.store(runner).snapshots())

    def on_terminal(self, *words: str, typed: str = "", **environment: str) -> tuple[int, str]:
        """The exit code, and all that is seen on a terminal of 200 columns; `typed` answers a question."""
        pid, terminal = pty.fork()
        if pid == 0:
            clean = {"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "200", "LC_ALL": "C.UTF-8"}
            os.execve(LAUNCHER, ["executor", "--config", str(self.config), "cache", *words], {**clean, **environment})
        seen = _read(terminal, typed)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode(errors="replace")


def _read(terminal: int, typed: str) -> bytes:
    seen, deadline = b"", time.monotonic() + 30
    while time.monotonic() < deadline:
        if typed and b"[y/N]" in seen:
            os.write(terminal, typed.encode())
            typed = ""
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:
                break
    os.close(terminal)
    return seen


def plain(seen: str) -> list[str]:
    """The lines of a terminal without colours."""
    return [line.rstrip("\r") for line in re.sub(r"\x1b\[[0-9;]*m", "", seen).splitlines()]
