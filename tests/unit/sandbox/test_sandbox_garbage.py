"""What `executor gc` takes for garbage, and what it must never touch."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from executor.engine.client import EngineError
from executor.sandbox import garbage, janitor
from executor.sandbox.folders import cache_folder, claim_builds_folder, locked, release
from executor.sandbox.garbage import Garbage, find_garbage
from executor.sandbox.liveness import claim_of_caller
from executor.sandbox.state import mark_ended, save, write_private
from executor.settings.model import Settings, StorageSettings
from tests.unit.sandbox.fakes import FakeEngine

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86400.0


@dataclass
class Host:
    """A state folder, with jobs, sources and caches in it."""

    folder: Path
    engine: FakeEngine

    @property
    def settings(self) -> Settings:
        return Settings(storage=StorageSettings(state_dir=str(self.folder / "state")))

    @property
    def project(self) -> str:
        return str(self.folder / "state" / "builds" / "abc" / "7")

    @property
    def caches(self) -> str:
        return str(self.folder / "state" / "cache" / "abc")

    def job(self, key: str, *, alive: bool = True, **facts: Any) -> str:
        path = self.folder / "state" / "jobs" / key
        path.mkdir(parents=True)
        claim = claim_of_caller() | ({} if alive else {"folder": "/nowhere"})
        save(str(path), {"claim": claim, "prepared": True, **facts})
        return str(path)

    def found(self, older_than: float | None = None) -> list[Garbage]:
        return find_garbage(self.settings, self.engine.as_engine(), older_than)


def age(path: str, seconds: float) -> None:
    past = time.time() - seconds
    os.utime(path, (past, past))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    engine = FakeEngine()
    for module in (garbage, janitor):
        monkeypatch.setattr(module, "engine_in", lambda _: engine)
    return Host(tmp_path, engine)


def test_an_empty_host_has_none(host: Host) -> None:
    assert host.found(0) == []


def test_dead_jobs_with_the_reason(host: Host) -> None:
    host.job("1-living")
    host.job("2-crashed", alive=False)
    ended = host.job("3-ended", alive=False)
    mark_ended(ended)
    age(f"{ended}/ended", 120)
    write_private(f"{host.job('4-kept', alive=False)}/kept", f"{time.time() + 60:.0f} 60")
    write_private(f"{host.job('5-over', alive=False)}/kept", f"{time.time() - 1:.0f} 60")

    assert [(os.path.basename(one.path), one.why) for one in host.found()] == [
        ("2-crashed", "its runner has ended or gone on without it"),
        ("3-ended", "it has ended, its removal was cut off"),
        ("5-over", "it was kept for a look, that time is over"),
    ]


def test_kept_jobs_only_where_they_are_asked_for(host: Host) -> None:
    host.job("1-living")
    kept = host.job("4-kept", alive=False)
    write_private(f"{kept}/kept", f"{time.time() + 60:.0f} 60")
    assert host.found() == []

    (one,) = find_garbage(host.settings, host.engine.as_engine(), kept=True)

    assert (one.path, one.why) == (kept, "it is kept for a look")


def test_names_of_what_goes_with_a_job(host: Host) -> None:
    host.job("2-crashed", alive=False)
    host.engine.labelled_things = {
        ("containers", "io.virida.executor.job=2-crashed"): [
            {"Id": "c", "Names": ["/runner-build"], "State": "exited"}
        ],
        ("networks", "io.virida.executor.job=2-crashed"): [{"Id": "n", "Name": "runner-net"}],
        ("volumes", "io.virida.executor.job=2-crashed"): {"Volumes": [{"Name": "runner-vol"}]},
    }

    assert host.found()[0].things == ("runner-build", "runner-net", "runner-vol")


def test_an_engine_that_does_not_remove_is_a_failure(host: Host) -> None:
    folder = host.job("2-crashed", alive=False)
    (one,) = host.found()
    host.engine.labelled_things = {
        ("containers", "io.virida.executor.job=2-crashed"): [
            {"Id": "c", "Names": ["/runner-build"], "State": "exited"}
        ],
        ("volumes", "io.virida.executor.job=2-crashed"): {"Volumes": None},
    }

    assert not one.remove(time.time())
    assert not os.path.exists(folder)


def test_an_engine_that_says_no_is_a_failure(host: Host) -> None:
    folder = host.job("2-crashed", alive=False)
    (one,) = host.found()
    host.engine.labelled_things = {
        ("containers", "io.virida.executor.job=2-crashed"): EngineError(500, "disk I/O error")
    }

    assert not one.remove(time.time())
    assert os.path.isdir(folder)


def test_a_throw_away_folder_whose_job_is_lost(host: Host) -> None:
    lost, living = f"{host.folder}/state/jobs/1-lost", host.job("2-living")
    for job in (lost, living, "/another/state/jobs/3-foreign"):
        claim_builds_folder(host.project, None, job, keep=False, protected=False)
    os.makedirs(f"{host.project}/job-4-nobodys")
    for name in os.listdir(host.project):
        age(f"{host.project}/{name}", 120)

    (one,) = host.found()

    assert (one.kind, one.path) == ("throw-away folder", f"{host.project}/job-1-lost")
    assert one.remove(time.time())
    assert sorted(os.listdir(host.project)) == ["job-2-living", "job-3-foreign", "job-4-nobodys"]


def claimed(host: Host, slot: int, job: str) -> str:
    folder = claim_builds_folder(host.project, slot, job, keep=True, protected=False)
    with open(f"{folder.path}/README", "w"):
        return folder.path


def test_sources_that_no_job_used_for_long(host: Host) -> None:
    living, gone = host.job("1-living"), f"{host.folder}/state/jobs/2-gone"
    used, old, recent = (claimed(host, slot, job) for slot, job in enumerate((living, gone, gone)))
    for path in (used, old):
        age(os.path.dirname(path), 3 * DAY)

    (one,) = host.found(2 * DAY)

    assert (one.kind, one.path, one.why) == ("sources", old, "not used for 3 d")
    assert one.remove(time.time() - 2 * DAY)
    assert os.listdir(os.path.dirname(old)) == ["owner"]
    assert all(os.path.exists(f"{path}/README") for path in (used, recent))


def test_without_a_time_folders_are_not_looked_at(host: Host) -> None:
    age(os.path.dirname(claimed(host, 0, "/nowhere")), 300 * DAY)
    age(cache_folder(host.caches, 7, protected=False), 300 * DAY)

    assert host.found() == []


def test_sources_that_a_job_claimed_meanwhile_stay(host: Host) -> None:
    path = claimed(host, 0, "/nowhere")
    age(os.path.dirname(path), 3 * DAY)
    (one,) = host.found(2 * DAY)

    assert claimed(host, 0, host.job("1-quick")) == path

    assert not one.remove(time.time() - 2 * DAY)
    assert os.path.exists(f"{path}/README")


def test_a_job_finds_its_slot_after_the_sources_went(host: Host) -> None:
    path = claimed(host, 0, "/nowhere")
    age(os.path.dirname(path), 3 * DAY)
    assert [one.remove(time.time() - 2 * DAY) for one in host.found(2 * DAY)] == [True]

    job = host.job("1-next")
    folder = claim_builds_folder(host.project, 0, job, keep=True, protected=False)

    assert (folder.path, os.listdir(folder.path)) == (path, [])
    release(folder.owner_file, job)


def test_caches_that_no_job_used_for_long(host: Host) -> None:
    old, recent, held = (cache_folder(host.caches, number, protected=False) for number in (1, 2, 3))
    host.job("1-living", cache=held)
    for path in (old, held):
        age(path, 3 * DAY)

    (one,) = host.found(2 * DAY)

    assert (one.kind, one.path) == ("cache", old)
    assert one.remove(time.time() - 2 * DAY)
    assert sorted(os.listdir(host.caches)) == ["2", "3"]
    assert os.path.isdir(recent)


def test_a_cache_that_a_job_took_meanwhile_stays(host: Host) -> None:
    path = cache_folder(host.caches, 1, protected=False)
    age(path, 3 * DAY)
    (one,) = host.found(2 * DAY)

    cache_folder(host.caches, 1, protected=False)

    assert not one.remove(time.time() - 2 * DAY)
    assert os.path.isdir(path)


def test_what_a_killed_gc_set_aside_is_found_again(host: Host) -> None:
    slot = os.path.dirname(claimed(host, 0, "/nowhere"))
    with locked(slot):
        os.rename(f"{slot}/work", f"{slot}/removed-ab12cd34")

    (one,) = host.found()

    assert one.remove(time.time())
    assert os.listdir(slot) == ["owner"]


def test_links_lead_nowhere(host: Host) -> None:
    treasure = host.folder / "treasure" / "7" / "job-1-lost" / "removed-1"
    treasure.mkdir(parents=True)
    os.makedirs(f"{host.folder}/state/builds")
    os.symlink(host.folder / "treasure", f"{host.folder}/state/builds/abc")
    os.makedirs(f"{host.folder}/state/cache")
    os.symlink(host.folder / "treasure", f"{host.folder}/state/cache/abc")

    assert host.found(0) == []
