"""Fixtures of the local runner's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.local.builders import git

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """An empty git repository."""
    folder = tmp_path / "demo"
    folder.mkdir()
    git(folder, "init", "--quiet")
    return folder
