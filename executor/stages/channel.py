"""The host's end of the stage loop: FIFOs in a folder that the container sees read-only.

On the hot path: no imports but these.
"""

from __future__ import annotations

import os
import time

from executor.errors import ExecutorError, OperatorError, SystemFailure

COPY_SIZE = 1 << 16


class NotListening(Exception):
    """No loop reads the `go` FIFO: the container has not started it yet, or is dead."""


class Channel:
    """One container's control folder. `folder` is the host's path of it."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @staticmethod
    def create(folder: str) -> Channel:
        """Make the control folder with its two FIFOs. The folder above it keeps other users of the host out."""
        os.mkdir(folder)
        for name in ("go", "status"):
            _make_fifo(f"{folder}/{name}")
        os.chmod(folder, 0o755)  # noqa: S103 (any user of the container)
        return Channel(folder)

    def unfinished(self) -> list[str]:
        """Ids of stages whose driver died before they ended."""
        return [name.removesuffix(".script") for name in os.listdir(self.folder) if name.endswith(".script")]

    def listens(self) -> bool:
        """Whether there is a loop: it may be at work on another stage."""
        try:
            os.close(_open_go(f"{self.folder}/go"))
        except NotListening:
            return False
        return True

    def open_status(self) -> int:
        """The descriptor that hears of stages' ends, and of the container's own by hanging up."""
        return os.open(f"{self.folder}/status", os.O_RDONLY | os.O_NONBLOCK)

    def new_stage(self, script: str) -> Stage:
        """Lay `script` (a path) ready and open its output. Nothing runs before `start`."""
        stage = Stage(self.folder, f"{os.getpid()}-{time.monotonic_ns()}")
        try:
            stage.lay(script)
        except OSError as error:
            self.discard(stage.id)
            raise _not_laid(script, error) from None
        return stage

    def spare_the_rest(self, stage_id: str) -> None:
        """Tell the loop not to kill what the stage's shell leaves: it has been asked to end, and gets its time."""
        os.close(os.open(f"{self.folder}/{stage_id}.ending", os.O_WRONLY | os.O_CREAT, 0o644))

    def discard(self, stage_id: str) -> None:
        """Remove what is left of a stage."""
        for suffix in ("script", "out", "err", "ending"):
            path = f"{self.folder}/{stage_id}.{suffix}"
            if os.path.lexists(path):
                os.unlink(path)


class Stage:
    """One script on its way through the loop: `out` and `err` are descriptors that read what it writes."""

    def __init__(self, folder: str, stage_id: str) -> None:
        self._base = f"{folder}/{stage_id}"
        self._go = f"{folder}/go"
        self.id = stage_id

    def lay(self, script: str) -> None:
        """Copy the script into the folder, make the FIFOs, open their reading ends."""
        for name in ("out", "err"):
            _make_fifo(f"{self._base}.{name}")
        self.out = os.open(f"{self._base}.out", os.O_RDONLY | os.O_NONBLOCK)
        self.err = os.open(f"{self._base}.err", os.O_RDONLY | os.O_NONBLOCK)
        _copy(script, f"{self._base}.script")

    def start(self) -> None:
        """Tell the loop to run it; `NotListening` where there is no loop."""
        go = _open_go(self._go)
        os.write(go, f"\n{self.id}\n".encode())
        os.close(go)


def _open_go(path: str) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        raise NotListening(str(error)) from None


def _make_fifo(path: str) -> None:
    """A FIFO that every user of the container may open, whatever this process's umask."""
    os.mkfifo(path)
    os.chmod(path, 0o666)  # noqa: S103 (any user of the container)


def _copy(source: str, target: str) -> None:
    """Copy a script; its reader in the container may be any user."""
    reading = os.open(source, os.O_RDONLY)
    writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    while data := os.read(reading, COPY_SIZE):
        while data:
            data = data[os.write(writing, data) :]
    os.fchmod(writing, 0o644)
    os.close(writing)
    os.close(reading)


def _not_laid(script: str, error: OSError) -> ExecutorError:
    if error.filename == script:
        return SystemFailure(
            f"The stage's script {script} cannot be read: {error.strerror}.",
            cause="The runner removed it (the job is over), or something empties the runner's TMPDIR.",
            fix="Retry the job.",
        )
    return OperatorError(
        f"The stage's script cannot be laid ready: {error.strerror}.",
        cause="The disk of the state folder is full or read-only.",
        fix="Check `df -h`, or set `state_dir` under [storage] in executor.toml.",
    )
