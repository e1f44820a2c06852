"""What is wiped from a kept folder when a job was cut off, whatever the job made of that folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from executor.sandbox.folders import claim_builds_folder
from executor.sandbox.removal import remove_tree
from executor.sandbox.wiping import wipe_secrets

PROJECT = "group/sub/app"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The mounted folder, with a working copy and the secrets beside it."""
    work = tmp_path / "0" / "work"
    (work / PROJECT / ".git").mkdir(parents=True)
    (work / PROJECT / "node_modules.tmp").mkdir()
    secrets = work / f"{PROJECT}.tmp"
    secrets.mkdir()
    (secrets / "TOKEN").write_text("s3cret")
    return work


def secrets_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("TOKEN") if path.is_file()]


def test_secrets_go_and_the_working_copy_stays(work: Path) -> None:
    wipe_secrets(str(work), PROJECT)
    assert secrets_in(work) == []
    assert (work / PROJECT / "node_modules.tmp").is_dir()


@pytest.mark.parametrize("place", ["", "group", "group/sub"])
def test_a_working_copy_that_a_job_pretends_hides_nothing(work: Path, place: str) -> None:
    (work / place / ".git").mkdir()
    wipe_secrets(str(work), PROJECT)
    assert secrets_in(work) == []


def test_secrets_of_a_clone_elsewhere_go(work: Path) -> None:
    (work / "x" / "y.tmp").mkdir(parents=True)
    (work / "x" / "y.tmp" / "TOKEN").write_text("s3cret")
    wipe_secrets(str(work), "")
    assert secrets_in(work) == []


@pytest.mark.parametrize("link", ["host.tmp", "group/sub/other.tmp", "loop", "group/host"])
def test_links_to_the_host_are_not_followed(work: Path, tmp_path: Path, link: str) -> None:
    host = tmp_path / "host"
    (host / "precious.tmp").mkdir(parents=True)
    (host / "precious.tmp" / "file").write_text("precious")
    (work / link).symlink_to(host)
    wipe_secrets(str(work), PROJECT)
    assert (host / "precious.tmp" / "file").read_text() == "precious"


@pytest.mark.parametrize("link", ["group", "group/sub", f"{PROJECT}.tmp"])
def test_a_link_that_would_lead_the_next_jobs_secrets_elsewhere_goes(work: Path, tmp_path: Path, link: str) -> None:
    host = tmp_path / "elsewhere"
    host.mkdir()
    remove_tree(str(work / link))
    (work / link).symlink_to(host)
    wipe_secrets(str(work), PROJECT)
    assert not (work / link).is_symlink()
    assert host.is_dir()


def test_a_file_in_the_place_of_a_folder_is_no_trouble(work: Path) -> None:
    remove_tree(str(work / "group"))
    (work / "group").write_text("")
    wipe_secrets(str(work), PROJECT)
    assert not (work / "group").exists()


def dig(folder: Path, levels: int) -> None:
    """Folders in folders: deeper than any path can name."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def test_folders_without_end_stop_nothing(work: Path) -> None:
    dig(work, 3000)
    wipe_secrets(str(work), PROJECT)
    assert not (work / f"{PROJECT}.tmp").exists()
    remove_tree(str(work))
    assert not work.exists()


def test_the_claim_of_a_job_that_is_gone_without_cleaning_up_wipes(work: Path, tmp_path: Path) -> None:
    (tmp_path / "0" / "owner").symlink_to(tmp_path / "jobs" / "gone")
    (tmp_path / "jobs" / "new").mkdir(parents=True)
    new = str(tmp_path / "jobs" / "new")
    claimed = claim_builds_folder(str(tmp_path), 0, new, keep=True, protected=False, project_path=PROJECT)
    assert claimed.path == str(work)
    assert secrets_in(work) == []
