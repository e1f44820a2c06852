"""What tests of several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.caches import CacheHost

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def host(tmp_path: Path) -> CacheHost:
    """A host that has no cache yet."""
    return CacheHost(tmp_path)
