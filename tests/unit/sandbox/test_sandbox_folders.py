"""Claims on the folders of sources: no two living jobs in one, none lost to a dead job."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from executor.sandbox import folders
from executor.sandbox.folders import BuildsFolder, cache_folder, claim_builds_folder, release

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def base(tmp_path: Path) -> str:
    return str(tmp_path / "builds")


def new_job(tmp_path: Path, name: str) -> str:
    folder = tmp_path / "jobs" / name
    folder.mkdir(parents=True)
    return str(folder)


def claim(base: str, job: str, slot: int | None = 0, *, keep: bool = True, protected: bool = False) -> BuildsFolder:
    return claim_builds_folder(base, slot, job, keep=keep, protected=protected)


def end(job: str) -> None:
    with open(f"{job}/ended", "w"):
        return


def test_the_first_job_of_a_slot_gets_its_kept_folder(base: str, tmp_path: Path) -> None:
    job = new_job(tmp_path, "1-a")

    claimed = claim(base, job)

    assert claimed == BuildsFolder(path=f"{base}/0/work", owner_file=f"{base}/0/owner")
    assert claimed.reusable
    assert os.readlink(claimed.owner_file) == job


def test_the_next_job_of_the_slot_finds_the_sources(base: str, tmp_path: Path) -> None:
    first, second = new_job(tmp_path, "1-a"), new_job(tmp_path, "2-b")
    kept = claim(base, first)
    with open(f"{kept.path}/source", "w") as file:
        file.write("text")
    release(kept.owner_file, first)

    assert claim(base, second) == kept
    assert os.listdir(kept.path) == ["source"]


def test_a_living_job_shares_its_folder_with_nobody(base: str, tmp_path: Path) -> None:
    first, second = claim(base, new_job(tmp_path, "1-a")), claim(base, new_job(tmp_path, "2-b"))

    assert first.reusable
    assert second == BuildsFolder(path=f"{base}/job-2-b/work")


@pytest.mark.parametrize(("slot", "keep"), [(None, True), (0, False), (None, False)])
def test_without_a_slot_or_fetch_the_folder_goes_with_the_job(
    base: str, tmp_path: Path, slot: int | None, keep: bool
) -> None:
    assert claim(base, new_job(tmp_path, "1-a"), slot, keep=keep) == BuildsFolder(path=f"{base}/job-1-a/work")


def test_protected_refs_have_folders_of_their_own(base: str, tmp_path: Path) -> None:
    jobs = [new_job(tmp_path, name) for name in ("1-a", "2-b")]

    assert claim(base, jobs[0], protected=True).path == f"{base}/0-protected/work"
    assert claim(base, jobs[1]).path == f"{base}/0/work"
    assert cache_folder(base, 42, protected=True) == f"{base}/42-protected"
    assert cache_folder(base, 42, protected=False) == f"{base}/42"


def test_the_mounted_folder_is_open_and_the_ones_above_are_closed(base: str, tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        kept, passing = claim(base, new_job(tmp_path, "1-a")), claim(base, new_job(tmp_path, "2-b"))
        cache = cache_folder(f"{base}-cache", 42, protected=False)
    finally:
        os.umask(old)

    for path in (kept.path, passing.path, cache):
        assert os.stat(path).st_mode & 0o777 == 0o777
        assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700


def test_a_job_that_has_just_ended_is_waited_for(base: str, tmp_path: Path) -> None:
    first, second = new_job(tmp_path, "1-a"), new_job(tmp_path, "2-b")
    kept = claim(base, first)
    end(first)
    removal = threading.Timer(0.2, release, (kept.owner_file, first))
    removal.start()
    began = time.monotonic()

    assert claim(base, second) == kept
    assert 0.1 < time.monotonic() - began < 2
    removal.join()


def test_a_job_that_has_ended_and_never_lets_go_is_not_waited_for_long(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "WAIT_FOR_SLOT_SECONDS", 0.1)
    first = new_job(tmp_path, "1-a")
    claim(base, first)
    end(first)

    assert not claim(base, new_job(tmp_path, "2-b")).reusable


def test_the_claim_of_a_job_that_is_gone_is_void(base: str, tmp_path: Path) -> None:
    dead, living = new_job(tmp_path, "1-a"), new_job(tmp_path, "2-b")
    kept = claim(base, dead)
    os.rmdir(dead)

    assert claim(base, living) == kept
    assert os.readlink(kept.owner_file) == living


def test_only_the_owner_can_release(base: str, tmp_path: Path) -> None:
    job = new_job(tmp_path, "1-a")
    kept = claim(base, job)

    release(kept.owner_file, new_job(tmp_path, "2-b"))
    assert os.path.lexists(kept.owner_file)
    release(kept.owner_file, job)
    release(kept.owner_file, job)
    assert not os.path.lexists(kept.owner_file)


def test_who_ends_a_job_late_leaves_the_next_ones_secrets_alone(base: str, tmp_path: Path) -> None:
    ended, living = new_job(tmp_path, "1-a"), new_job(tmp_path, "2-b")
    kept = claim(base, ended)
    release(kept.owner_file, ended, "group/app")
    claim(base, living)
    variables = f"{kept.path}/group/app.tmp"
    os.makedirs(variables)

    release(kept.owner_file, ended, "group/app")
    assert os.path.isdir(variables)
    release(kept.owner_file, living, "group/app")
    assert not os.path.exists(variables)


def _claim_in_a_process(base: str, job: str, start: str, results: multiprocessing.Queue[tuple[str, bool]]) -> None:
    while not os.path.exists(start):
        time.sleep(0)
    results.put((job, claim(base, job).reusable))


def test_of_many_jobs_at_once_one_takes_over_the_folder_of_a_dead_one(base: str, tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    for round_ in range(20):
        rounds_base = f"{base}/{round_}"
        dead = new_job(tmp_path, f"{round_}-dead")
        claim(rounds_base, dead)
        os.rmdir(dead)
        results: multiprocessing.Queue[tuple[str, bool]] = fork.Queue()
        start = str(tmp_path / f"start{round_}")
        processes = [
            fork.Process(
                target=_claim_in_a_process, args=(rounds_base, new_job(tmp_path, f"{round_}-{i}"), start, results)
            )
            for i in range(4)
        ]
        for process in processes:
            process.start()
        os.close(os.open(start, os.O_CREAT))
        owners = [job for job, reusable in (results.get(timeout=10) for _ in processes) if reusable]
        for process in processes:
            process.join()

        assert owners == [os.readlink(f"{rounds_base}/0/owner")]


def test_a_void_claim_never_takes_the_place_of_a_new_one(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at a dead job's claim and its removal another job takes the folder."""
    dead, quick, slow = (new_job(tmp_path, name) for name in ("1-a", "2-b", "3-c"))
    claim(base, dead)
    os.rmdir(dead)
    readlink, got = os.readlink, []

    def interrupted(path: str) -> str:
        owner = readlink(path)
        monkeypatch.setattr(os, "readlink", readlink)
        thread = threading.Thread(target=lambda: got.append(claim(base, quick)))
        thread.start()
        thread.join(0.3)
        return owner

    monkeypatch.setattr(os, "readlink", interrupted)
    mine = claim(base, slow)
    while not got:
        time.sleep(0.01)

    assert [mine.reusable, got[0].reusable].count(True) == 1
