"""docs/configuration.md names every key that is read."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from executor.settings.model import DockerSettings, HelperSettings, KeepSettings, ServiceSettings, StorageSettings

TEXT = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()


@pytest.mark.parametrize("section", [DockerSettings, ServiceSettings, HelperSettings, StorageSettings, KeepSettings])
def test_every_key_is_documented(section: type) -> None:
    assert [field.name for field in fields(section) if f"`{field.name}`" not in TEXT] == []
