"""CI_DEBUG_SERVICES: what services write, in the job log.

The driver's calls are short, and nothing of it may hold the runner's pipes between them: each `run` goes on where the
last one stopped. The marker that `prepare` leaves in the job's folder holds the time of each service's last told line.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

from executor.engine.http import Broken
from executor.errors import ExecutorError
from executor.sandbox.state import load, write_private
from executor.sandbox.workplace import engine_of
from executor.stages.relay import write_all

if TYPE_CHECKING:
    from executor.engine.client import Engine

MARKER = "service-logs"
GREY = "\x1b[0;90m"
RESET = "\x1b[0;m"

# What a service has written before the end of a stage arrives within this time; longer than that no stage waits.
QUIET_SECONDS = 0.1
LONGEST_SECONDS = 1.0


def ask_for_service_logs(job_folder: str) -> None:
    """Let all later stages of the job tell what its services write."""
    write_private(f"{job_folder}/{MARKER}", "{}")


class ServiceLogs:
    """The logs of a job's services, from `begin` to `end`, on our standard output: `[service:db-postgres] ...`."""

    def __init__(self, job_folder: str) -> None:
        facts = load(job_folder)
        self._file = f"{job_folder}/{MARKER}"
        with open(self._file) as file:
            told: dict[str, str] = json.load(file)
        engine = engine_of(facts)
        self._followers = [
            _Follower(engine, container, aliases, told.get(container, ""))
            for container, aliases in facts["services"].items()
        ]

    def begin(self) -> None:
        """Tell what was written since the last stage, and whatever comes."""
        for follower in self._followers:
            threading.Thread(target=follower.follow, daemon=True).start()

    def end(self) -> None:
        """Tell what is on its way, and remember how far we came."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while time.monotonic() < deadline and not all(follower.is_quiet() for follower in self._followers):
            time.sleep(QUIET_SECONDS / 5)
        write_private(self._file, json.dumps({one.container: one.told for one in self._followers}))


class _Follower:
    """One service. `told` is the Engine's time stamp of the last line that was passed on."""

    def __init__(self, engine: Engine, container: str, aliases: list[str], told: str) -> None:
        self.container = container
        self.told = told
        self._engine = engine
        self._prefix = f"{GREY}[service:{'-'.join(aliases)}] ".encode()
        self._heard: float | None = None

    def follow(self) -> None:
        """Pass lines on until the service ends or we do."""
        try:
            lines = self._engine.stamped_logs(self.container, since=self.told)
            self._heard = time.monotonic()
            for line in lines:
                self._pass_on(line)
        except (ExecutorError, Broken):
            self._heard = 0.0

    def is_quiet(self) -> bool:
        """Whether the Engine has answered and then had nothing more to say for a while."""
        return self._heard is not None and time.monotonic() - self._heard > QUIET_SECONDS

    def _pass_on(self, line: bytes) -> None:
        stamp, _, text = line.partition(b" ")
        self._heard = time.monotonic()
        # The Engine's `since` takes in the moment itself.
        if stamp.decode("latin-1") > self.told:
            write_all(1, self._prefix + text.rstrip(b"\r\n") + f"{RESET}\n".encode())
            self.told = stamp.decode("latin-1")
