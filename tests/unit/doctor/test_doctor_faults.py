"""Faults, injected one by one into a healthy host: each is named by its check alone, with what to do about it.

Cases are the files of tests/cases/doctor; tests/unit/doctor/host.py tells how they are read.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from executor.doctor.catalogue import all_checks, chosen
from executor.doctor.examine import verdict_of
from executor.doctor.model import Finding
from executor.doctor.secrets import Secrets
from tests.unit.doctor.host import CASES, Host, make_database, read_case, substituted

if TYPE_CHECKING:
    from pathlib import Path

    from executor.doctor.scene import Scene

FILES = ("runner.toml", "docker.toml", "host.toml", "folders.toml", "network.toml")
FAULTS = [fault for name in FILES for fault in read_case(name)["fault"]]
SECRETS = (
    "SECRETTOKEN",
    "SECRETSECRET",
    "SECRETPASS",
    "REPORTSECRET",
    "clevertokenvalue",
    "cleversecretvalue",
    "proxypassword",
    "dXNlcjpT",
    "GR1348941abcdefghijk",
)
# These only tell what is worth knowing.
WORTH_KNOWING = {
    "runner.account",
    "runner.process.config",
    "runner.config.folder",
    "runner.config.privileged",
    "docker.live_restore",
    "host.reboot",
    "job.image.allowed",
    "cache.mount.root",
    "state.kept",
    "network.gitlab.loopback",
}


def examined(scene: Scene) -> list[Finding]:
    """All findings, one check after the other."""
    secrets = Secrets(scene)
    return [
        secrets.mask_finding(Finding(check=check, verdict=verdict_of(scene, check), milliseconds=0))
        for check in chosen([])
    ]


def told(findings: list[Finding]) -> dict[str, str]:
    """What is wrong, by check."""
    return {
        finding.check.id: finding.verdict.status
        for finding in findings
        if finding.verdict.status not in ("ok", "skipped", "info")
    }


def test_nothing_is_wrong_on_a_healthy_host(tmp_path: Path) -> None:
    findings = examined(Host(tmp_path).scene())

    assert told(findings) == {}
    assert {f.check.id for f in findings if f.verdict.status == "info"} <= {"cache.mount.root"}


def test_nothing_is_wrong_with_two_custom_runners(tmp_path: Path) -> None:
    """The driver tells them apart by the token of the job."""
    host = Host(tmp_path)
    text = host.config.read_text()
    second = (
        text[text.index("[[runners]]") :].replace("virida-gitlab-runner", "second").replace("t1_SECRET", "t1_OTHER")
    )
    host.config.write_text(text + second)

    assert told(examined(host.scene())) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_group_that_the_running_service_does_not_have_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was added to the group has to restart the service, and is not told to be added again."""
    host = Host(tmp_path, {"denied": ["{host}/run/docker.sock"]})
    os.chown(tmp_path / "run/docker.sock", -1, 4242)
    monkeypatch.setattr(os, "getgrouplist", lambda name, group: [group, 4242])

    (verdict,) = [verdict_of(host.scene(), check) for check in chosen(["docker.socket.permission"])]

    assert "was started before" in verdict.found
    assert verdict.fix == ("systemctl restart gitlab-runner",)


def test_looking_at_the_history_makes_no_files(tmp_path: Path) -> None:
    """They would be those of root, and the service could not write them."""
    host = Host(tmp_path)
    make_database(tmp_path / "state/history.db", 1)
    with sqlite3.connect(tmp_path / "state/history.db") as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()

    assert told(examined(host.scene())) == {}
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["history.db", "jobs"]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault["name"] for fault in FAULTS])
def test_a_fault_is_named_with_its_fix(fault: dict[str, Any], tmp_path: Path) -> None:
    if fault.get("root") and os.geteuid() != 0:
        pytest.skip("needs root")
    host = Host(tmp_path, fault.get("change"))
    host.do(fault.get("do", []))

    findings = examined(host.scene())

    also = dict.fromkeys(fault.get("also", []), "error")
    assert told(findings) == {fault["expects"]: fault["status"], **also}
    verdict = next(finding.verdict for finding in findings if finding.check.id == fault["expects"])
    assert substituted(fault["found"], str(tmp_path)) in verdict.found
    assert fault["fix"] in "\n".join(verdict.fix)
    assert verdict.why
    assert verdict.expected


@pytest.mark.parametrize("fault", FAULTS, ids=[fault["name"] for fault in FAULTS])
def test_no_finding_shows_a_secret(fault: dict[str, Any], tmp_path: Path) -> None:
    if fault.get("root") and os.geteuid() != 0:
        pytest.skip("needs root")
    host = Host(tmp_path, fault.get("change"))
    host.do(fault.get("do", []))

    text = repr(examined(host.scene()))

    assert not [secret for secret in SECRETS if secret in text]


def test_every_check_that_can_warn_has_a_fault() -> None:
    """A check without a fault here would be one that nobody has seen speak."""
    faults = {fault["expects"] for fault in FAULTS}
    elsewhere = {check.id for check in all_checks() if check.with_job}

    assert {check.id for check in all_checks()} - faults - WORTH_KNOWING - elsewhere == set()
    assert len(FAULTS) >= 50


def test_every_file_of_cases_is_read() -> None:
    assert {path.name for path in CASES.iterdir()} == {*FILES, "healthy.toml", "config.toml"}
