"""One call of the driver, as the runner makes it: its own process group, no input, its output passed on as it comes."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from executor.errors import SystemFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

GRACEFUL_SECONDS = 60.0
FORCE_SECONDS = 10.0
TICK_SECONDS = 0.1
CHUNK = 65_536


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a call ended. `exit_code` is negative for a signal; `stopped` is why it was told to stop, or ""."""

    exit_code: int
    stopped: str = ""
    output: bytes = b""


def launcher() -> str:
    """The command of this very installation."""
    beside = Path(sys.executable).with_name("executor")
    called = Path(sys.argv[0])
    if called.name == "executor" and called.is_file() and os.access(called, os.X_OK):
        return str(called.absolute())
    if os.access(beside, os.X_OK):
        return str(beside)
    raise SystemFailure("The `executor` command of this installation is not found.", fix=f"Expected it at {beside}.")


def call_driver(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    write: Callable[[bytes], None],
    should_stop: Callable[[], str],
    keep_output: bool = False,
) -> Ended:
    """Start the driver and wait until it and all that hold its pipes have ended.

    `write` gets what it prints; with `keep_output` standard output is kept apart and returned. `should_stop` is asked
    all the time: once it gives a reason, the group gets SIGTERM, and SIGKILL after a grace time.
    """
    try:
        process = subprocess.Popen(
            [launcher(), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if keep_output else subprocess.STDOUT,
            cwd=folder,
            env=environment,
            process_group=0,
        )
    except OSError as error:
        write(f"executor: failed to start the driver: {error.strerror}\n".encode())
        return Ended(exit_code=-1)
    return _Watch(process, write, should_stop, keep_output=keep_output).until_end()


class _Watch:
    """Reads a process's pipes and stops its group when asked to."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        write: Callable[[bytes], None],
        should_stop: Callable[[], str],
        *,
        keep_output: bool,
    ) -> None:
        self._process = process
        self._should_stop = should_stop
        self._kept: list[bytes] = []
        self._selector = selectors.DefaultSelector()
        for pipe, sink in ((process.stdout, self._kept.append if keep_output else write), (process.stderr, write)):
            if pipe is not None:
                self._selector.register(pipe, selectors.EVENT_READ, sink)
        self._stopped = ""
        self._kill_at = self._give_up_at = float("inf")

    def until_end(self) -> Ended:
        """Wait for the end of the pipes, then of the process."""
        with self._process, self._selector:
            while self._selector.get_map() and time.monotonic() < self._give_up_at:
                self._read_once()
                self._stop_if_asked()
            while self._process.poll() is None:
                time.sleep(TICK_SECONDS)
                self._stop_if_asked()
        return Ended(exit_code=self._process.returncode, stopped=self._stopped, output=b"".join(self._kept))

    def _read_once(self) -> None:
        for key, _ in self._selector.select(TICK_SECONDS):
            chunk = os.read(key.fd, CHUNK)
            if chunk:
                key.data(chunk)
            else:
                self._selector.unregister(key.fileobj)

    def _stop_if_asked(self) -> None:
        now = time.monotonic()
        if not self._stopped and (reason := self._should_stop()):
            self._stopped = reason
            self._kill_at = now + GRACEFUL_SECONDS
            self._signal(signal.SIGTERM)
        if now > self._kill_at:
            self._kill_at, self._give_up_at = float("inf"), now + FORCE_SECONDS
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return
