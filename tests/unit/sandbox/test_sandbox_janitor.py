"""Cleaning up after crashes: everything of the dead, nothing of the living or of strangers."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from executor.engine.http import Broken
from executor.errors import SystemFailure
from executor.plan.naming import STATE_LABEL
from executor.sandbox import janitor, teardown
from executor.sandbox.janitor import dead_jobs, end_job, sweep, sweep_is_due
from executor.sandbox.liveness import claim_of_caller
from executor.sandbox.state import VERSION, load_of_any_version, mark_ended, save, write_private
from tests.unit.sandbox.fakes import FakeEngine

if TYPE_CHECKING:
    from pathlib import Path


class Host:
    """A state folder with jobs in it."""

    def __init__(self, folder: Path) -> None:
        self.state = str(folder / "state")
        self.attempt = folder / "attempt"
        self.attempt.mkdir()

    def job(self, key: str, **changes: Any) -> str:
        """A living job; `changes` are those of its claim."""
        folder = f"{self.state}/jobs/{key}"
        os.makedirs(folder)
        claim = claim_of_caller() | {"folder": str(self.attempt)} | changes
        save(folder, {"claim": claim, "prepared": True, "throw_away": "", "owner_file": ""})
        return folder


def age(path: str, seconds: float = 120) -> None:
    past = time.time() - seconds
    os.utime(path, (past, past))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return Host(tmp_path)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The one that all jobs were made with."""
    fake = FakeEngine()
    monkeypatch.setattr(janitor, "engine_in", lambda _: fake)
    return fake


def test_no_state_folder_has_no_dead(tmp_path: Path) -> None:
    assert dead_jobs(str(tmp_path / "none")) == []


def test_only_the_dead_are_found(host: Host) -> None:
    host.job("1-living")
    dead = [
        host.job("2-runner-gone", pid=2**22 + 1),
        host.job("3-other-boot", boot="earlier"),
        host.job("4-attempt-over", folder="/nowhere"),
    ]

    assert dead_jobs(host.state) == dead


def test_an_old_living_job_is_never_dead(host: Host) -> None:
    """A job may run for days: its age says nothing."""
    folder = host.job("1-a")
    for path in (folder, f"{folder}/state.json"):
        age(path, 10 * 86400)

    assert dead_jobs(host.state) == []


def test_an_ended_job_is_left_to_who_ends_it_for_a_while(host: Host) -> None:
    folder = host.job("1-a", folder="/nowhere")
    mark_ended(folder)
    assert dead_jobs(host.state) == []

    age(f"{folder}/ended")
    assert dead_jobs(host.state) == [folder]


def test_a_job_is_given_time_to_be_born(host: Host) -> None:
    """Its folder is there a moment before its state."""
    folder = f"{host.state}/jobs/1-a"
    os.makedirs(folder)
    assert dead_jobs(host.state) == []

    age(folder)
    assert dead_jobs(host.state) == [folder]


def test_half_a_state_is_dead_after_a_while(host: Host) -> None:
    folder = host.job("1-a")
    with open(f"{folder}/state.json", "w") as file:
        file.write('{"version": 1, "cl')
    assert dead_jobs(host.state) == []

    age(folder)
    assert dead_jobs(host.state) == [folder]


@pytest.mark.parametrize("version", [VERSION + 1, VERSION - 1])
def test_a_living_job_of_another_version_is_left_alone(host: Host, version: int) -> None:
    """The driver was updated while the job runs; the job still has its runner."""
    living, dead = host.job("1-a"), host.job("2-b", folder="/nowhere")
    for folder in (living, dead):
        with open(f"{folder}/state.json") as file:
            facts = json.load(file)
        with open(f"{folder}/state.json", "w") as file:
            json.dump(facts | {"version": version}, file)
        age(folder)

    assert dead_jobs(host.state) == [dead]


def test_ending_a_job_removes_what_carries_its_label(host: Host, engine: FakeEngine) -> None:
    folder = host.job("1-a", folder="/nowhere")
    label = "io.virida.executor.job=1-a"
    engine.labelled_things = {
        ("containers", label): [{"Id": "c1", "State": "exited"}, {"Id": "c2", "State": "created"}],
        ("volumes", label): {"Volumes": [{"Name": "v1"}]},
        ("networks", label): [{"Id": "n1"}],
    }

    end_job(folder)

    assert [call for call in engine.calls if call[0] != "GET"] == [
        ("kill", "c1"),
        ("kill", "c2"),
        ("remove", "c1", "True"),
        ("remove", "c2", "True"),
        ("remove volume", "v1"),
        ("remove network", "n1"),
    ]
    assert not os.path.exists(folder)


def test_a_job_without_a_state_takes_its_passing_folder_with_it(host: Host, engine: FakeEngine) -> None:
    folder = host.job("1-a")
    for name in ("job-1-a", "job-2-b", "0"):
        os.makedirs(f"{host.state}/builds/runner/42/{name}/work")
    os.unlink(f"{folder}/state.json")
    engine.labelled_things = {("volumes", "io.virida.executor.job=1-a"): {"Volumes": None}}
    teardown_pause = teardown.LATECOMER_SECONDS
    teardown.LATECOMER_SECONDS = 0.0
    try:
        end_job(folder)
    finally:
        teardown.LATECOMER_SECONDS = teardown_pause

    assert sorted(os.listdir(f"{host.state}/builds/runner/42")) == ["0", "job-2-b"]


def test_a_sweep_takes_labelled_things_without_a_job_of_this_state_folder_only(host: Host, engine: FakeEngine) -> None:
    living = host.job("1-living")
    lost, foreign = f"{host.state}/jobs/2-lost", "/another/state/jobs/3-foreign"

    def labelled(folder: str) -> dict[str, Any]:
        return {"Id": os.path.basename(folder), "Labels": {STATE_LABEL: folder}}

    odd = [{"Id": "x", "Labels": None}, {"Id": "y", "Labels": {STATE_LABEL: f"{host.state}/jobs/../../etc"}}]
    engine.labelled_things = {
        ("containers", STATE_LABEL): [labelled(living), labelled(lost), labelled(foreign), *odd],
        ("volumes", STATE_LABEL): {"Volumes": None},
        ("containers", "io.virida.executor.job=2-lost"): [{"Id": "c-lost", "State": "exited"}],
        ("volumes", "io.virida.executor.job=2-lost"): {"Volumes": None},
    }

    sweep(host.state, engine.as_engine(), [])

    assert [call for call in engine.calls if call[0] in ("kill", "remove")] == [
        ("kill", "c-lost"),
        ("remove", "c-lost", "True"),
    ]
    assert os.path.isdir(living)


def test_a_sweep_goes_on_after_a_job_that_cannot_be_removed(
    host: Host, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, other = host.job("1-a", folder="/nowhere"), host.job("2-b", folder="/nowhere")
    real = teardown.remove_job

    def remove(engine: Any, folder: str, facts: dict[str, Any]) -> None:
        if folder == stuck:
            raise PermissionError
        real(engine, folder, facts)

    monkeypatch.setattr(janitor, "remove_job", remove)
    engine.labelled_things = {
        ("volumes", label): {"Volumes": None} for label in (STATE_LABEL, "io.virida.executor.job=2-b")
    }

    sweep(host.state, engine.as_engine(), [stuck, other])

    assert os.path.isdir(stuck)
    assert not os.path.exists(other)


def test_a_sweep_takes_a_bounded_share_and_marks_it_for_the_others(
    host: Host, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = [host.job(f"{number}-a", folder="/nowhere") for number in range(100, 130)]
    engine.labelled_things = {("volumes", STATE_LABEL): {"Volumes": None}}
    seen: list[list[str]] = []
    monkeypatch.setattr(janitor, "end_job", lambda *_: seen.append(dead_jobs(host.state)))

    sweep(host.state, engine.as_engine(), dead)

    assert len(seen) == janitor.MOST_AT_ONCE == 20
    assert seen[0] == dead[20:]


def test_an_engine_that_is_gone_costs_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was killed: the job stays for a sweep when it is back."""
    folder = host.job("1-a", folder="/nowhere")

    def gone(_: Any) -> Any:
        raise SystemFailure("There is no Docker Engine.")

    monkeypatch.setattr(janitor, "engine_in", gone)
    end_job(folder)
    assert os.path.isdir(folder)

    age(f"{folder}/ended")
    assert dead_jobs(host.state) == [folder]


@pytest.mark.parametrize("moment", ["containers", "networks", "volumes"])
def test_an_engine_that_is_killed_half_way_leaves_the_job_for_the_next_sweep(
    host: Host, engine: FakeEngine, moment: str
) -> None:
    folder = host.job("1-a", folder="/nowhere")
    label = "io.virida.executor.job=1-a"
    things = {
        ("containers", label): [{"Id": "c1", "State": "exited"}],
        ("volumes", label): {"Volumes": [{"Name": "v1"}]},
        ("networks", label): [{"Id": "n1"}],
    }
    engine.labelled_things = things | {(moment, label): Broken("connection lost")}
    end_job(folder)
    assert os.path.isdir(folder)

    engine.labelled_things = things
    end_job(folder)
    assert not os.path.exists(folder)


def test_a_container_that_does_not_end_keeps_its_jobs_folders_from_others(host: Host, engine: FakeEngine) -> None:
    folder = host.job("1-a", folder="/nowhere")
    owner = f"{host.state}/owner"
    os.symlink(folder, owner)
    save(folder, load_of_any_version(folder) | {"owner_file": owner})
    label = "io.virida.executor.job=1-a"
    engine.labelled_things = {("containers", label): [{"Id": "c1", "State": "running"}]}

    end_job(folder)
    assert (os.path.isdir(folder), os.path.islink(owner)) == (True, True)

    engine.labelled_things = {("volumes", label): {"Volumes": None}}
    end_job(folder)
    assert (os.path.isdir(folder), os.path.islink(owner)) == (False, False)


def test_what_somebody_attached_to_a_jobs_network_only_loses_the_network(host: Host, engine: FakeEngine) -> None:
    folder = host.job("1-a", folder="/nowhere")
    label = "io.virida.executor.job=1-a"
    engine.labelled_things = {("networks", label): [{"Id": "n1"}], ("volumes", label): {"Volumes": None}}
    engine.answers = {"/networks/n1": {"Containers": {"somebody": {}}}}

    end_job(folder)

    assert [call for call in engine.calls if call[0] != "GET"] == [
        ("disconnect", "n1", "somebody"),
        ("remove network", "n1"),
    ]


def test_a_kept_job_lives_until_its_time_is_over(host: Host) -> None:
    folder = host.job("1-a", folder="/nowhere", boot="earlier")
    write_private(f"{folder}/kept", f"{time.time() + 60:.0f} 60")
    assert dead_jobs(host.state) == []

    write_private(f"{folder}/kept", f"{time.time() - 1:.0f} 60")
    assert dead_jobs(host.state) == [folder]


def test_a_sweep_is_due_once_a_minute(host: Host) -> None:
    os.makedirs(host.state)
    assert sweep_is_due(host.state)
    assert not sweep_is_due(host.state)

    age(f"{host.state}/swept")
    assert sweep_is_due(host.state)
    assert not sweep_is_due(host.state)
