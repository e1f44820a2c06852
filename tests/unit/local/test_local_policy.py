"""The operator's policy holds for local runs too: the driver that they start reads the same rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.pipeline.local.driver_settings import user_settings, write_driver_settings
from executor.pipeline.local.run_folder import create_run_folder
from executor.settings.load import load_settings

if TYPE_CHECKING:
    from pathlib import Path

EXECUTOR = """
[audit]
file = "/srv/audit.jsonl"
[[policy]]
name = "ours"
projects = ["virida/**"]
protected = false
images = []
[[policy]]
deny = true
"""


def test_the_driver_reads_every_rule(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[[runners]]\nname = "host"\nexecutor = "custom"\n')
    (tmp_path / "executor.toml").write_text(EXECUTOR)
    settings = user_settings(str(tmp_path / "config.toml"), None)
    folder = create_run_folder(tmp_path / "repo", 1)
    write_driver_settings(settings, folder)
    read = load_settings(config=str(folder.config_file))
    assert len(read.policy) == 2
    assert (read.policy, read.audit, read.warnings) == (settings.policy, settings.audit, ())
