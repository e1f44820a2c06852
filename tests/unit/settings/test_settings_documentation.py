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
    RunnerCacheSettings,
    S3CacheSettings,
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


@pytest.mark.parametrize("section", [RunnerCacheSettings, S3CacheSettings])
def test_every_key_of_the_runners_caches_is_documented(section: type) -> None:
    """Those keys are the runner's, as `BucketName`."""
    words = TEXT.lower()
    keys = [each.name.replace("_", "") for each in fields(section) if not each.type.endswith("Settings")]
    assert [key for key in keys if f"`{key}`" not in words] == []
