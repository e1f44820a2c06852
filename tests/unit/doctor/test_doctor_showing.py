"""Findings for people, for programs, and for strangers."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from executor.doctor.model import Check, Finding, Verdict, error, note, passed, warning
from executor.doctor.render import WIDTH, lines
from executor.doctor.secrets import Secrets
from executor.doctor.share import anonymous
from executor.doctor.summary import closing, is_failed, summary, worst
from tests.unit.doctor.host import Host

if TYPE_CHECKING:
    from pathlib import Path

CLOSED = error(
    "The service account gitlab-runner cannot open /var/run/docker.sock (0660 root:docker).",
    expected="gitlab-runner in the socket's group",
    why="Every job fails in prepare.",
    fix=("usermod -aG docker gitlab-runner && systemctl restart gitlab-runner", "id gitlab-runner"),
)
SPLIT = warning("Store on /dev/vdb.", why="Caches are copied.", fix="set builds_dir")


def finding(id: str, verdict: Verdict) -> Finding:
    """A finding of a check that does nothing."""
    return Finding(check=Check(id=id, title="All is well", look=lambda _: verdict), verdict=verdict, milliseconds=12)


FINDINGS = [
    finding("docker.engine.api", passed("1.47")),
    finding("docker.socket.permission", CLOSED),
    finding("host.load", passed()),
    finding("host.reboot", note("An update waits for a reboot.")),
    finding("cache.filesystem.split", SPLIT),
    finding("clever.login", Verdict(status="skipped", found="no CLEVER_TOKEN for the service account")),
]


def test_what_people_see() -> None:
    assert [line.text for line in lines(FINDINGS, unicode=True)] == [
        "docker      ✖ docker.socket.permission",
        "              The service account gitlab-runner cannot open /var/run/docker.sock (0660 root:docker).",
        "              Every job fails in prepare.",
        "              expected: gitlab-runner in the socket's group",
        "              fix: usermod -aG docker gitlab-runner && systemctl restart gitlab-runner",
        "                   id gitlab-runner",
        "host        ✔ 2 checks",
        "cache       ▲ cache.filesystem.split",
        "              Store on /dev/vdb. Caches are copied.",
        "              fix: set builds_dir",
        "clever      – skipped: no CLEVER_TOKEN for the service account",
    ]


def test_what_people_see_without_unicode() -> None:
    text = "\n".join(line.text for line in lines(FINDINGS, unicode=False, verbose=True))

    assert text.isascii()
    assert "host        + host.load\n              All is well\n            i host.reboot" in text
    assert "docs/doctor.md#dockersocketpermission" in text


def test_lines_fit_but_for_what_is_to_be_copied() -> None:
    long = error("word " * 60, expected="e " * 80, why="because " * 20, fix="command " * 40)

    told = [line.text for line in lines([finding("host.test", long)], unicode=True)]

    assert all(len(line) <= WIDTH for line in told if "fix: " not in line)
    assert [line for line in told if "fix: " in line] == ["              fix: " + "command " * 40]


@pytest.mark.parametrize(
    ("findings", "end"),
    [
        (
            FINDINGS,
            "2 ok, 1 warning, 1 error, 1 to know (--verbose), 1 not needed here. "
            "Jobs will fail until the error is fixed.",
        ),
        (FINDINGS[:1], "1 ok. This host is ready for jobs."),
        (FINDINGS[4:5], "1 warning. Jobs run, but not as they should."),
        ([FINDINGS[1]] * 2, "2 errors. Jobs will fail until the errors are fixed."),
    ],
)
def test_the_sentence_at_the_end(findings: list[Finding], end: str) -> None:
    count = "1 check" if len(findings) == 1 else f"{len(findings)} checks"

    assert closing(findings, 1.44) == f"{count} in 1.4 s: {end}"


def test_the_end_for_who_may_not_see_all() -> None:
    assert closing(FINDINGS[:1], 0, sees_all=False).endswith(
        "What you may see of this host is in order; root sees more."
    )


@pytest.mark.parametrize(
    ("status", "failed", "strictly"),
    [
        ("ok", False, False),
        ("info", False, False),
        ("skipped", False, False),
        ("warning", False, True),
        ("error", True, True),
        ("crashed", True, True),
    ],
)
def test_the_exit_code(status: str, failed: bool, strictly: bool) -> None:
    findings = [finding("host.test", Verdict(status=status))]  # type: ignore[arg-type]

    assert is_failed(findings, strict=False) is failed
    assert is_failed(findings, strict=True) is strictly


def test_json() -> None:
    plain = summary(FINDINGS, {"docker": "27.3.1"})

    assert (plain["version"], plain["status"], worst(FINDINGS)) == (1, "error", "error")
    assert plain["host"] == {"docker": "27.3.1"}
    assert plain["counts"] == {"error": 1, "crashed": 0, "warning": 1, "info": 1, "skipped": 1, "ok": 2}
    assert plain["checks"][1] == {
        "id": "docker.socket.permission",
        "category": "docker",
        "status": "error",
        "title": "All is well",
        "found": CLOSED.found,
        "expected": CLOSED.expected,
        "why": CLOSED.why,
        "fix": list(CLOSED.fix),
        "link": "docs/doctor.md#dockersocketpermission",
        "duration_ms": 12,
    }


def test_secrets_are_masked(tmp_path: Path) -> None:
    host = Host(
        tmp_path, {"account": {"environment": {"DEPLOY_TOKEN": "deploysecret", "HTTPS_PROXY": "http://u:pw1234@p:1"}}}
    )
    secrets = Secrets(host.scene())

    assert secrets.masked("glrt-t1_SECRETTOKEN12345") == "[MASKED]"
    assert secrets.masked("a deploysecret b pw1234 c") == "a [MASKED] b [MASKED] c"
    assert secrets.masked("glpat-abcdefghijkl") == "[MASKED]"
    assert secrets.masked("https://user:password@host/") == "https://[MASKED]@host/"
    assert secrets.masked("AKIAABCDEFGHIJKLMNOP") == "[MASKED]"
    assert secrets.masked("debian:12 at /var/lib") == "debian:12 at /var/lib"


def test_a_report_names_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename="runner-01"))
    scene = Host(tmp_path, {"account": {"name": "ada"}}).scene()
    text = (
        "runner-01 ada /home/ada/x virida-gitlab-runner https://gitlab.virida.test/x 10.1.2.3 127.0.0.1 "
        "fe80::1:2 ada@virida.org 04:13:20 20.10.24 root docker.socket.mode"
    )

    assert anonymous(text, scene) == (
        "HOST USER /home/USER/x RUNNER https://GITLAB/x ADDRESS 127.0.0.1 ADDRESS MAIL 04:13:20 20.10.24 root "
        "docker.socket.mode"
    )
