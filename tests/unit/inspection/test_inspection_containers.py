"""Containers of a job and what they use, from what the Engine says under cgroup v1 and v2."""

from __future__ import annotations

import time
from typing import Any

import pytest

from executor.engine.client import EngineError
from executor.errors import UsageError
from executor.inspection.containers import JobContainer, choose, containers_of, measured
from executor.inspection.jobs import HostJob
from executor.plan.naming import JOB_LABEL, ROLE_LABEL
from tests.unit.sandbox.fakes import FakeAnswer, FakeEngine

MIB = 1024**2


class Measuring(FakeEngine):
    """An Engine whose samples are in a table: those of each container, in order."""

    def __init__(self, samples: dict[str, list[Any]]) -> None:
        super().__init__()
        self.samples = samples

    def usage(self, container: str) -> FakeAnswer:
        return FakeAnswer(self.samples[container].pop(0))


def container(name: str, role: str = "build", *aliases: str, running: bool = True) -> JobContainer:
    return JobContainer(id=name, name=name, image="debian:12", role=role, aliases=aliases, running=running)


def job(**facts: Any) -> HostJob:
    return HostJob(
        folder="/state/jobs/1-a",
        fate="running",
        id=1,
        name="unit",
        project="virida/app",
        ref="main",
        sha="",
        began=0,
        stage="",
        stage_began=0,
        seconds_kept=None,
        facts=facts,
    )


def found(name: str, role: str, state: str = "running") -> dict[str, Any]:
    return {"Id": name, "Names": [f"/{name}"], "Image": "i", "State": state, "Labels": {ROLE_LABEL: role}}


def test_a_jobs_containers_with_their_names() -> None:
    engine = FakeEngine()
    listed = [found("h", "helper"), found("s", "service", "exited"), found("b", "build")]
    removing = {**found("x", ""), "Labels": {JOB_LABEL: "1-a"}}
    engine.labelled_things = {("containers", f"{JOB_LABEL}=1-a"): [*listed, removing]}

    containers = containers_of(engine.as_engine(), job(services={"s": ["library__postgres", "db"]}))

    assert [(one.name, one.title, one.running) for one in containers] == [
        ("b", "build", True),
        ("s", "db", False),
        ("h", "helper", True),
    ]


V1 = {"usage": 100 * MIB, "limit": 512 * MIB, "stats": {"inactive_file": 1, "total_inactive_file": 30 * MIB}}
V2 = {"usage": 100 * MIB, "limit": 512 * MIB, "stats": {"inactive_file": 30 * MIB, "anon": 5}}


@pytest.mark.parametrize("memory", [V1, V2], ids=["cgroup v1", "cgroup v2"])
def test_what_a_container_uses(memory: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((100.0, 100.5))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    samples = [
        {"cpu_stats": {"cpu_usage": {"total_usage": used}}, "memory_stats": memory} for used in (10**9, 175 * 10**7)
    ]

    (one,) = measured(Measuring({"b": samples}).as_engine(), [container("b")])

    assert one.cpus == pytest.approx(1.5)
    assert (one.memory, one.memory_limit) == (70 * MIB, 512 * MIB)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param([{}, {}], id="the Engine knows nothing"),
        pytest.param([{"cpu_stats": {}, "memory_stats": {}}] * 2, id="nothing in it"),
        pytest.param([{"cpu_stats": {"cpu_usage": {"total_usage": 5}}}, EngineError(404, "gone")], id="gone meanwhile"),
    ],
)
def test_what_is_not_told_is_unknown(samples: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)

    (one,) = measured(Measuring({"b": samples}).as_engine(), [container("b")])

    assert one.memory is None


def test_nobody_waits_for_containers_that_do_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)

    assert measured(Measuring({}).as_engine(), [container("b", running=False)]) == [container("b", running=False)]
    assert slept == [0]


ALL = [container("b"), container("s1", "service", "library__postgres", "db"), container("h", "helper")]


@pytest.mark.parametrize(
    ("service", "helper", "name"),
    [
        (None, False, "b"),
        (None, True, "h"),
        ("db", False, "s1"),
        ("library__postgres", False, "s1"),
        ("s1", False, "s1"),
    ],
)
def test_which_one_is_meant(service: str | None, helper: bool, name: str) -> None:
    assert choose(ALL, service=service, helper=helper).name == name


def test_no_such_service() -> None:
    with pytest.raises(UsageError, match="no service 'redis'") as caught:
        choose(ALL, service="redis", helper=False)
    assert "library__postgres, db" in caught.value.cause


def test_no_build_container_yet() -> None:
    with pytest.raises(UsageError, match="no build container"):
        choose([], service=None, helper=False)
