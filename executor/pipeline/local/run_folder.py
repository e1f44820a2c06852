"""`.executor/` in the repository: logs and artifacts to look at, and one private folder a run.

.executor/.gitignore            `*`: git never sees any of it
.executor/logs/JOB.log          the last run's raw log
.executor/artifacts/JOB/        the last run's artifacts
.executor/runs/ID/              0700, gone with the run
    config.toml executor.toml   the user's settings and the helper's mounts, for the driver
    sources/                    the repository as jobs get it, read-only in the helper
    exchange/JOB_ID/            archives and facts, between helper containers and here
    lock                        held while the run lives: a later run removes what a killed one left
"""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass

from executor.errors import OperatorError, SystemFailure
from executor.pipeline.local.artifacts import EXCHANGE_DIR
from executor.pipeline.local.scripts import SOURCES_DIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """Where one run keeps its things. `path` is private to the user."""

    base: Path
    path: Path
    lock: IO[bytes]

    @property
    def sources(self) -> Path:
        """The repository and its submodules for the jobs."""
        return self.path / "sources"

    @property
    def config_file(self) -> Path:
        """What every driver call gets as --config."""
        return self.path / "config.toml"

    @property
    def volumes(self) -> tuple[str, ...]:
        """The helper's mounts."""
        return (f"{self.sources}:{SOURCES_DIR}:ro", f"{self.path / 'exchange'}:{EXCHANGE_DIR}")

    def log(self, name: str) -> Path:
        """The log of the job with that file name."""
        return self.base / "logs" / f"{name}.log"

    def artifacts(self, name: str) -> Path:
        """The artifacts of the job with that file name, for the user to see."""
        return self.base / "artifacts" / name

    def exchange(self, job_id: int) -> Path:
        """The job's archives and facts; made at once, by the user who is to remove it."""
        folder = self.path / "exchange" / str(job_id)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)  # The helper may run as another user; `path` keeps everybody else out.
        return folder


def create_run_folder(root: Path, run_id: int) -> RunFolder:
    """Make the folders. OperatorError for a path that no mount can name."""
    if ":" in str(root):
        raise OperatorError(
            f"The path of the repository has a colon in it, which no Docker mount can have: {root}.",
            fix="Move or clone it to a path without one.",
        )
    base = root / ".executor"
    path = base / "runs" / str(run_id)
    try:
        for folder in (base / "logs", base / "artifacts"):
            folder.mkdir(parents=True, exist_ok=True)
        (base / "runs").mkdir(mode=0o700, exist_ok=True)
        _remove_dead_runs(base / "runs")
        path.mkdir(mode=0o700)
        lock = _locked(path)
        for folder in (path / "sources", path / "exchange"):
            folder.mkdir()
        (base / ".gitignore").write_text("*\n")
    except OSError as error:
        raise OperatorError(
            f"{base} cannot be written: {error.strerror}.", fix="Check its owner and `df -h`."
        ) from None
    return RunFolder(base=base, path=path, lock=lock)


def remove_run_folder(folder: RunFolder) -> None:
    """Remove what only this run needed. SystemFailure names what could not be removed."""
    folder.lock.close()
    left: list[str] = []
    shutil.rmtree(folder.path, onerror=lambda _function, path, _error: left.append(os.fspath(path)))
    if left:
        raise SystemFailure(f"{left[0]} cannot be removed.", fix=f"sudo rm -rf {folder.path}")


def _locked(path: Path) -> IO[bytes]:
    """The lock of a run's folder, held until this process ends. OSError where another holds it."""
    lock = open(path / "lock", "ab")  # noqa: SIM115
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise
    return lock


def _remove_dead_runs(runs: Path) -> None:
    """Remove the folders of runs that were killed: nobody holds their lock."""
    for path in runs.iterdir():
        try:
            lock = _locked(path)
        except OSError:
            continue
        lock.close()
        shutil.rmtree(path, ignore_errors=True)
