"""The two scripts that hand sources over, run in shells of this host."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from executor.plan.model import Handover
from executor.sandbox.handover import ask_for_handover, take_handover
from executor.stages.handover import give_away, leave_mark

if TYPE_CHECKING:
    from pathlib import Path

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def handover(tmp_path: Path) -> Handover:
    """A project, its `.tmp` and a link that leads out of it."""
    project = tmp_path / "it's a project"
    (project / "sub").mkdir(parents=True)
    (project / "sub/file").touch()
    (project / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").touch()
    (tmp_path / "it's a project.tmp").mkdir()
    return Handover(project_dir=str(project), mark=str(tmp_path / "mark"))


def run(text: str) -> int:
    """The exit code of a piece of shell."""
    return subprocess.run(["sh"], input=text.encode(), capture_output=True).returncode


def owners(folder: Path) -> dict[str, int]:
    """Every path below a folder with its owner; links are themselves."""
    return {str(path.relative_to(folder)): path.lstat().st_uid for path in folder.rglob("*")}


def test_it_is_asked_for_once(tmp_path: Path, handover: Handover) -> None:
    ask_for_handover(str(tmp_path), handover)
    assert (tmp_path / "handover").stat().st_mode & 0o077 == 0
    assert take_handover(str(tmp_path)) == handover
    assert not (tmp_path / "handover").exists()


@as_root
def test_all_of_the_project_becomes_the_owners_of_the_mark(tmp_path: Path, handover: Handover) -> None:
    (tmp_path / "mark").touch()
    os.chown(tmp_path / "mark", 1234, 2345)
    assert run(give_away(handover)) == 0
    assert {name for name, owner in owners(tmp_path).items() if owner != 1234} == {"elsewhere"}
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("left", ["nothing", "link", "folder"])
def test_a_mark_is_new_whatever_was_there(tmp_path: Path, handover: Handover, left: str) -> None:
    mark = tmp_path / "mark"
    if left == "link":
        mark.symlink_to(tmp_path / "elsewhere")
    elif left == "folder":
        (mark / "sub").mkdir(parents=True)
    assert run(leave_mark(handover)) == 0
    assert mark.is_file()
    assert not mark.is_symlink()


def test_without_a_mark_nothing_changes_hands(tmp_path: Path, handover: Handover) -> None:
    before = owners(tmp_path)
    assert run(give_away(handover)) != 0
    assert owners(tmp_path) == before
