"""Which files `rules:exists` and `include` see, in a git repository and outside of one."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from executor.pipeline.files import RepositoryFiles

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "a.js").touch()
    (tmp_path / ".gitignore").write_text("node_modules/\n")
    (tmp_path / "tracked é.txt").touch()
    (tmp_path / "new.txt").touch()
    return tmp_path


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)


def test_without_git_all_files_are_seen(folder: Path) -> None:
    assert RepositoryFiles(folder).paths == (".gitignore", "new.txt", "node_modules/a.js", "tracked é.txt")


def test_git_ignored_and_deleted_files_are_not_seen(folder: Path) -> None:
    (folder / "deleted.txt").touch()
    git(folder, "init", "-q")
    git(folder, "add", "tracked é.txt", "deleted.txt")
    (folder / "deleted.txt").unlink()
    assert RepositoryFiles(folder).paths == (".gitignore", "new.txt", "tracked é.txt")
