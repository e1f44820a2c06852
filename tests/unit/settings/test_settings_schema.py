"""The classes of the model are the schema: each of their fields must be of a kind that can be read."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, is_dataclass
from datetime import time
from pathlib import Path

import pytest

from executor.errors import OperatorError
from executor.settings import model
from executor.settings.document import Document
from executor.settings.load import load_settings
from executor.settings.schema import read_table

ROOT = Path(__file__).parents[3]
SECTIONS = [value for name, value in vars(model).items() if name.endswith("Settings") and is_dataclass(value)]
ONLY_FOR_MESSAGES = {"executor.settings.lines", "executor.settings.explain", "executor.settings.syntax", "difflib"}
NOT_READ = {"short_token", "isolation"}
ONE_WORD = (model.RunnerCacheSettings, model.S3CacheSettings)
KEYS = [
    (section, field.name.replace("_", "") if section in ONE_WORD else field.name)
    for section in SECTIONS
    for field in fields(section)
    if section is not model.Settings and field.name not in NOT_READ
]


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_has_a_type_that_is_checked(section: type, key: str) -> None:
    """A time is right for none of them: also a field added tomorrow must refuse it, not fail on its own kind."""
    document = Document("config.toml", f"{key} = 07:32:00\n", {})
    with pytest.raises(OperatorError, match=rf"^config\.toml, line 1: {key} must be "):
        read_table(section, {key: time(7, 32)}, (), document)


def test_settings_cannot_be_changed() -> None:
    settings = load_settings(config=str(ROOT / "config.toml.example"))
    with pytest.raises(AttributeError):
        settings.runner.docker.image = "other"  # type: ignore[misc]


def test_right_settings_load_nothing_that_only_messages_need() -> None:
    """Every call of a job loads settings, so what is not needed costs it several times."""
    code = (
        "import sys; from executor.settings.load import load_settings;"
        f"load_settings(config={str(ROOT / 'config.toml.example')!r}); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ONLY_FOR_MESSAGES & set(loaded.stdout.split()) == set()
