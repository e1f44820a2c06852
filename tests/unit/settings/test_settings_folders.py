"""Where state, builds and caches lie on the host."""

from __future__ import annotations

import pytest

from executor.settings.folders import builds_dir, cache_dir, state_dir
from executor.settings.model import Settings, StorageSettings


@pytest.mark.parametrize(
    ("uid", "state_home", "expected"),
    [
        (0, "", "/var/lib/virida-executor"),
        (0, "/xdg", "/var/lib/virida-executor"),
        (998, "", "/home/ci/.local/state/virida-executor"),
        (998, "/xdg", "/xdg/virida-executor"),
        (998, "relative", "/home/ci/.local/state/virida-executor"),
    ],
)
def test_default_folders(uid: int, state_home: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)
    monkeypatch.setenv("HOME", "/home/ci")
    monkeypatch.setenv("XDG_STATE_HOME", state_home)

    assert state_dir(Settings()) == expected
    assert builds_dir(Settings()) == f"{expected}/builds"
    assert cache_dir(Settings()) == f"{expected}/cache"


def test_one_folder_for_all() -> None:
    settings = Settings(storage=StorageSettings(state_dir="/srv/virida"))
    assert builds_dir(settings) == "/srv/virida/builds"
    assert cache_dir(settings) == "/srv/virida/cache"


def test_each_its_own() -> None:
    settings = Settings(storage=StorageSettings(state_dir="/s", builds_dir="/mnt/b", cache_dir="/mnt/c"))
    assert (state_dir(settings), builds_dir(settings), cache_dir(settings)) == ("/s", "/mnt/b", "/mnt/c")
