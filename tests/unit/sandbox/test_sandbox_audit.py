"""The audit log: who got what, and that writing it down costs a job nothing."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from executor.engine.client import Engine
from executor.engine.endpoint import Endpoint
from executor.errors import JobError
from executor.job.model import Image, Job, Variable
from executor.job.variables import job_variables
from executor.plan.plan import make_plan
from executor.sandbox import bounded_log
from executor.sandbox.attempt import Attempt
from executor.sandbox.audit import record_allowed, record_denied
from executor.sandbox.context import Context
from executor.settings.model import AuditSettings, DockerSettings, PolicySettings, RunnerSettings, Settings
from tests.unit.job.builders import job as plain_job
from tests.unit.plan.builders import ADDED, HOST


def attempt(folder: Path, job: Job, *policy: PolicySettings, audit: dict[str, Any] | None = None) -> Attempt:
    """A job of a runner whose audit log is in `folder`."""
    settings = Settings(
        runner=RunnerSettings(name="virida-1", docker=DockerSettings(privileged=True, volumes=("/srv:/srv:ro",))),
        audit=AuditSettings(**({"file": str(folder / "audit.jsonl")} | (audit or {}))),
        policy=policy,
    )
    return Attempt(
        context=Context(job=job, settings=settings),
        state_dir=str(folder),
        folder=str(folder / "jobs" / "1001-ab12"),
        host=replace(HOST, variables=job_variables(job, ADDED)),
        engine=Engine(Endpoint(host="unix:///nowhere")),
    )


def allow(one: Attempt) -> None:
    record_allowed(one, make_plan(one.context.job, one.context.settings, one.host))


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]


def test_an_allowed_job(tmp_path: Path) -> None:
    job = plain_job(user="ada", protected=True, services=(Image(name="redis:7"),))
    allow(attempt(tmp_path, job, PolicySettings(name="ours", projects=("group/**",))))
    (line,) = lines(tmp_path)
    assert time.time() - 5 < time.mktime(time.strptime(line.pop("time"), "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    assert "/srv:/srv:ro" in line.pop("volumes")
    assert line == {
        "version": 1,
        "job": 1001,
        "project": "group/app",
        "project_id": 42,
        "ref": "main",
        "protected": True,
        "user": "ada",
        "runner": "virida-1",
        "attempt": "1001-ab12",
        "rule": '"ours"',
        "decision": "allowed",
        "why": 'policy "ours"',
        "image": "debian:12",
        "services": ["redis:7"],
        "privileged": True,
        "network": "runner-local-42-0-1001-ab12",
    }


def test_a_denied_job(tmp_path: Path) -> None:
    job = plain_job(image=Image(name="ruby:3"))
    one = attempt(tmp_path, job, PolicySettings(deny_images=("ruby",)))
    with pytest.raises(JobError) as refusal:
        make_plan(job, one.context.settings, one.host)
    record_denied(one, refusal.value)
    (line,) = lines(tmp_path)
    assert (line["decision"], line["rule"], line["image"]) == ("denied", "number 1", "ruby:3")
    assert line["why"].startswith("The image 'ruby:3' is denied for jobs of group/app")


def test_it_is_for_the_drivers_account_alone(tmp_path: Path) -> None:
    allow(attempt(tmp_path, plain_job()))
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_no_secret_and_no_flood_of_a_jobs_own_words(tmp_path: Path) -> None:
    """What GitLab says of the job stays as it is: a variable must not black out who did it."""
    variables = (
        Variable(key="SECRET", value="s3cret-value", masked=True),
        Variable(key="BLACK", value="group/app", masked=True),
    )
    job = plain_job(*variables, image=Image(name="s3cret-value/" + "x" * 100_000), services=(Image(name="a/$SECRET"),))
    record_denied(attempt(tmp_path, job), JobError("No s3cret-value here.\nReally."))
    text = (tmp_path / "audit.jsonl").read_text()
    assert "s3cret-value" not in text
    assert len(text) < 2000
    (line,) = lines(tmp_path)
    assert (line["project"], line["why"]) == ("group/app", "No [MASKED] here.\nReally.")
    assert line["services"] == ["a/[MASKED]"]


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    allow(attempt(tmp_path, plain_job(), audit={"enabled": False}))
    assert list(tmp_path.iterdir()) == []


def test_it_lies_in_the_state_folder_where_nothing_else_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executor.settings.folders.state_dir", lambda _: str(tmp_path))
    allow(attempt(tmp_path, plain_job(), audit={"file": ""}))
    assert len(lines(tmp_path)) == 1


@pytest.mark.parametrize("place", ["missing/audit.jsonl", "folder", "fifo", "/dev/full"])
def test_a_place_that_cannot_be_written_is_one_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    allow(attempt(tmp_path, plain_job(), audit={"file": str(tmp_path / place)}))
    assert capsys.readouterr().out.count("WARNING: The audit log") == 1


def test_a_full_file_is_put_aside_once(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for number in range(40):
        bounded_log.append(str(path), b"%02d %s\n" % (number, b"x" * 96), 1000)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["audit.jsonl", "audit.jsonl.1"]
    older, newer = (tmp_path / "audit.jsonl.1").read_text(), path.read_text()
    assert [int(line[:2]) for line in (older + newer).splitlines()] == list(range(20, 40))


def test_many_writers_lose_and_tear_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "audit.jsonl")

    def write(writer: int) -> None:
        for number in range(100):
            bounded_log.append(path, json.dumps([writer, number, "x" * 200]).encode() + b"\n", 60_000)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = [(tmp_path / name).read_text() for name in ("audit.jsonl.1", "audit.jsonl")]
    found = [tuple(json.loads(line)[:2]) for text in files for line in text.splitlines()]
    assert len(found) == len(set(found)) == 400


def test_half_a_line_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.jsonl"
    bounded_log.append(str(path), b"first\n", 1000)
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    with pytest.raises(OSError, match="No space left"):
        bounded_log.append(str(path), b"second\n", 1000)
    assert path.read_bytes() == b"first\n"


def test_it_costs_less_than_a_millisecond(tmp_path: Path) -> None:
    one = attempt(tmp_path, plain_job())
    plan = make_plan(one.context.job, one.context.settings, one.host)
    seconds = []
    for _ in range(20):
        began = time.perf_counter()
        record_allowed(one, plan)
        seconds.append(time.perf_counter() - began)
    assert sorted(seconds)[10] < 0.001
