"""Jobs of two hosts share a cache through a real bucket: uploaded after the job, fetched before the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.jobs import unique_number
from tests.engine import test_cache_bucket_commands as bucket
from tests.engine.calls import Host, wait_until
from tests.unit.cli.test_cli_cache_bucket import BUCKET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.calls import Calls

pytestmark = bucket.pytestmark
port = bucket.port

CACHE = [{"key": "deps", "paths": ["vendor/"]}]


def host_with_bucket(folder: Path, number: int, *, like: Host | None = None) -> Host:
    """A host of the same runner as another one's, with a bucket at a port of this host."""
    host = Host(folder)
    text = like.config.read_text() if like else host.config.read_text() + BUCKET.format(port=number)
    host.config.write_text(text)
    return host


def run(host: Host, project: str, script: str) -> tuple[str, str]:
    """What restore_cache said and what the script printed, of a whole job."""
    calls: Calls = host.job(project=project, cache=CACHE).prepared()
    calls.run(f"mkdir -p /builds/{project}", "get_sources")
    restored = calls.run("exit 1", "restore_cache")
    assert restored.code == 0, restored.text
    ended = calls.run(f"cd /builds/{project}\n{script}")
    assert ended.code == 0, ended.text
    saved = calls.run("exit 1", "archive_cache")
    assert saved.code == 0, saved.text
    calls.end()
    host.assert_nothing_left(60)
    return restored.text, ended.out


def uploaded(host: Host) -> bool:
    """Whether no process of the driver is at work for the host any more."""
    from tests.e2e.runner import _command_lines

    return not any(str(host.config) in words for _, words in _command_lines())


def test_a_job_finds_what_a_job_of_another_host_saved(port: int, tmp_path: Path) -> None:
    here = host_with_bucket(tmp_path / "here", port)
    there = host_with_bucket(tmp_path / "there", port, like=here)
    project = f"virida/p{unique_number()}"

    run(here, project, "mkdir vendor; echo 1 > vendor/x")
    wait_until(lambda: uploaded(here), 60)
    said, printed = run(there, project, "cat vendor/x; echo 2 > vendor/x")
    assert printed == "1\n"
    assert "Fetched from the bucket of caches." in said
    wait_until(lambda: uploaded(there), 60)
    said, printed = run(here, project, "cat vendor/x")
    assert printed == "2\n"
    assert "Fetched from the bucket of caches." in said
    said, printed = run(here, project, "cat vendor/x")
    assert "This host has the newest version." in said


def test_a_bucket_out_of_reach_is_a_line_and_no_failure(tmp_path: Path) -> None:
    (closed,) = bucket.free_ports(1)
    host = host_with_bucket(tmp_path / "here", closed)
    project = f"virida/p{unique_number()}"
    for count in (1, 2):
        said, printed = run(host, project, "mkdir -p vendor; echo x >> vendor/x; wc -l < vendor/x")
        assert printed == f"{count}\n"
        assert "bucket" in said


def test_no_secret_of_the_bucket_reaches_a_job(port: int, tmp_path: Path) -> None:
    host = host_with_bucket(tmp_path / "here", port)
    said, printed = run(
        host, f"virida/p{unique_number()}", "env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null || true"
    )
    assert "a-secret-of-the-operator" not in said + printed
