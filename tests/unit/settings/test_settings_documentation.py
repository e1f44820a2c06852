"""docs/configuration.md names every key that is read."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from executor.settings.model import (
    AuditSettings,
    CacheSettings,
    DockerSettings,
    HelperSettings,
    HistorySettings,
    KeepSettings,
    LimitsSettings,
    PolicySettings,
    ReportSettings,
    ServiceSettings,
    StorageSettings,
)

TEXT = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()


SECTIONS = [
    DockerSettings,
    ServiceSettings,
    HelperSettings,
    StorageSettings,
    KeepSettings,
    AuditSettings,
    CacheSettings,
    LimitsSettings,
    HistorySettings,
    ReportSettings,
    PolicySettings,
]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_documented(section: type) -> None:
    assert [field.name for field in fields(section) if f"`{field.name}`" not in TEXT] == []
