"""A store, and what its tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from executor.cache.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(f"{tmp_path}/store")
