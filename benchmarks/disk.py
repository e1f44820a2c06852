"""A disk for measuring: ext4 with a journal in a file, as on a production host, whatever the host's own disk is."""

from __future__ import annotations

import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS_TO_LEAVE = 60


@contextmanager
def journaled_disk(size: str = "20G") -> Iterator[Path]:
    """The folder of a new ext4 file system, mounted for as long as the block runs. Needs root and loop devices."""
    with tempfile.TemporaryDirectory(prefix="virida-bench", dir="/var/tmp") as folder:
        image, point = Path(folder, "image"), Path(folder, "disk")
        point.mkdir()
        subprocess.run(["truncate", "-s", size, image], check=True)
        subprocess.run(["mkfs.ext4", "-qF", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, point], check=True)
        try:
            yield point
        finally:
            _unmount(point)


def _unmount(point: Path) -> None:
    """Unmount the disk and what the driver mounted on it to share it, once its work in the background is done."""
    for _ in range(SECONDS_TO_LEAVE):
        if subprocess.run(["umount", "--recursive", point], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(1)
    subprocess.run(["umount", "--recursive", point], check=True)


def settle() -> None:
    """Write out what others left, so that nobody pays for it while being measured."""
    subprocess.run(["sync"], check=True)
