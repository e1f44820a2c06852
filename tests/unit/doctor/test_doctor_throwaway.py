"""What the throw-away job tells, from what its calls have said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from executor.doctor.catalogue import chosen
from executor.doctor.checks import throwaway
from executor.doctor.examine import verdict_of
from executor.doctor.throwaway import NO_CACHE, NO_WRITE, JobRun
from executor.doctor.world import Ran
from tests.unit.doctor.host import Host

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {
    "config": Ran(code=0, output="{}"),
    "prepare": Ran(code=0, output="image debian:12"),
    "helper": Ran(code=0, output="git version 2.39\n/usr/bin/gitlab-runner\n"),
    "gitlab": Ran(code=0, output="fatal: could not read Username: terminal prompts disabled\ngit ended with 128\n"),
    "build": Ran(code=0, output="shell: 5.2, user: 0\n"),
    "cleanup": Ran(code=0, output=""),
}
ALL_WELL = {check.id: "ok" for check in chosen(["job.run"], with_job=True)}


def told(run: JobRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, str], str]:
    """The status of each check of the job, and what is wrong."""
    monkeypatch.setattr(throwaway, "run_job", lambda scene, program: run)
    scene = Host(tmp_path).scene()
    verdicts = {check.id: verdict_of(scene, check) for check in chosen(["job.run"], with_job=True)}
    wrong = [verdict.found for verdict in verdicts.values() if verdict.status not in ("ok", "skipped")]
    return {id: verdict.status for id, verdict in verdicts.items()}, " ".join(wrong)


def test_a_job_that_goes_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(JobRun(steps=dict(GOOD)), tmp_path, monkeypatch) == (ALL_WELL, "")


@pytest.mark.parametrize(
    ("step", "ran", "code", "check", "status", "found"),
    [
        (
            "helper",
            Ran(code=0, output="git version 2\nno gitlab-runner\n"),
            None,
            "helper",
            "error",
            "has no gitlab-runner",
        ),
        ("helper", Ran(code=1, output="sh: git: not found"), 70, "helper", "error", "git: not found"),
        ("build", Ran(code=1, output=""), NO_WRITE, "build", "error", "may not write in the project's folder"),
        ("build", Ran(code=1, output=""), NO_CACHE, "build", "error", "may not write in the cache folder"),
        (
            "build",
            Ran(code=2, output="\x1b[31;1mOUT OF MEMORY\x1b[0;m"),
            None,
            "build",
            "error",
            "It failed: OUT OF MEMORY",
        ),
        (
            "build",
            Ran(code=None, output="it did not end within 90 s"),
            None,
            "build",
            "error",
            "did not end within 90 s",
        ),
        (
            "gitlab",
            Ran(code=0, output="fatal: Could not resolve host: gitlab.virida.test"),
            None,
            "dns",
            "error",
            "do not find",
        ),
        ("gitlab", Ran(code=0, output="git ended with 124"), None, "gitlab", "error", "do not reach GitLab"),
        ("gitlab", Ran(code=0, output="Failed to connect to gitlab"), None, "gitlab", "error", "failed to connect"),
        ("cleanup", Ran(code=2, output="no state"), None, "cleanup", "error", "no state"),
        (
            "prepare",
            Ran(code=1, output='Jobs of x are not allowed. The runner\'s policy "all" denies them.'),
            None,
            "prepare",
            "info",
            "refuses the throw-away job",
        ),
    ],
)
def test_a_job_that_goes_wrong(
    step: str,
    ran: Ran,
    code: int | None,
    check: str,
    status: str,
    found: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    statuses, wrong = told(JobRun(steps={**GOOD, step: ran}, script_code=code), tmp_path, monkeypatch)

    assert statuses == {**ALL_WELL, f"job.run.{check}": status}
    assert found in wrong


def test_what_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statuses, wrong = told(JobRun(steps=dict(GOOD), left=["runner-x-build"]), tmp_path, monkeypatch)

    assert statuses == {**ALL_WELL, "job.run.cleanup": "warning"}
    assert "runner-x-build" in wrong


def test_a_job_that_does_not_come_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = JobRun(steps={"config": Ran(code=2, output="config.toml cannot be read"), "cleanup": GOOD["cleanup"]})
    statuses, wrong = told(run, tmp_path, monkeypatch)

    assert [id for id, status in statuses.items() if status == "error"] == ["job.run.config"]
    assert {status for id, status in statuses.items() if id not in ("job.run.config", "job.run.cleanup")} == {"skipped"}
    assert "cannot be read" in wrong
