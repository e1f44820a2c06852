"""What all tests share: tests of whole jobs say what they need and what makes it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def no_mounts_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The driver shares its state folder with containers by a mount, where the host does not; nobody else ends that."""
    yield
    base = f"{tmp_path_factory.getbasetemp().resolve()}/"
    targets = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for target in reversed([target for target in targets if target.startswith(base)]):
        subprocess.run(["umount", target], check=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a real gitlab-runner where none is installed."""
    if shutil.which("gitlab-runner"):
        return
    reason = "no gitlab-runner on PATH: install the package `gitlab-runner` to run whole jobs"
    for item in items:
        if item.get_closest_marker("runner"):
            item.add_marker(pytest.mark.skip(reason=reason))
