"""From nothing to a job and back: install, register, a job under a real runner, doctor, unregister, uninstall."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.jobs import Job, unique_number
from tests.e2e.runner import LAUNCHER, GitLabRunner, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.coordinator import Coordinator

pytestmark = pytest.mark.runner

RUNNERS_OWN = {"config.toml", "config.toml.backup", ".runner_system_id"}


class Host(Settings):
    """A folder that stands for a host on which nothing is installed yet."""

    def __init__(self, root: Path, url: str) -> None:
        self.root, self.url = root, url
        self.folder = root / "etc/gitlab-runner"
        self.config_file = self.folder / "config.toml"
        self.state_dir = root / "var/lib/virida-executor"
        self.token = f"glrt-{unique_number()}e2e{unique_number()}"
        self.command = root / "usr/local/bin/executor"

    def call(self, command: str, *words: str, stdin: str = "", code: int = 0) -> str:
        """What the installed `executor` said, once it has ended with `code`; before that, the environment's own."""
        program = self.command if self.command.exists() else LAUNCHER
        ended = subprocess.run(
            [program, command, *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "NO_PROXY": "*"},
            check=False,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        assert self.token not in ended.stdout + ended.stderr
        return ended.stdout

    def register(self, *words: str) -> str:
        """`executor register` with the token on standard input."""
        return self.call("register", "--root", str(self.root), "--url", self.url, *words, stdin=self.token)


@pytest.fixture
def host(coordinator: Coordinator, tmp_path: Path) -> Iterator[Host]:
    """A host whose runner GitLab knows already."""
    root = tmp_path / "host"
    root.mkdir()
    made = Host(root, coordinator.url)
    coordinator.runner_tokens.add(made.token)
    yield made
    coordinator.runner_tokens.discard(made.token)


def test_from_nothing_to_a_job_and_back(host: Host, coordinator: Coordinator) -> None:
    host.call("install", "--root", str(host.root))
    host.register("--name", "from nothing")

    runner = GitLabRunner(host, coordinator).start()
    try:
        record = runner.run(Job(script=["echo the first job"]))
        complaints = _complaints(host)
    finally:
        runner.stop()

    assert record.outcome == ("success", None, None), record.trace
    assert "the first job" in record.trace
    assert "Using Custom executor with driver virida-executor" in record.trace
    assert complaints == []
    runner.assert_nothing_left()

    host.call("unregister", "--root", str(host.root), "--delete")
    assert host.token not in coordinator.runner_tokens
    host.call("uninstall", "--root", str(host.root), "--purge")
    left = {path.name for path in host.root.rglob("*") if path.is_file()}
    assert left - RUNNERS_OWN - {"runner.log"} == set()
    assert not host.state_dir.exists()


def test_gitlab_runner_itself_takes_the_section(host: Host) -> None:
    host.call("install", "--root", str(host.root))
    host.register("--name", "verified")

    ended = subprocess.run(
        ["gitlab-runner", "verify", "-c", host.config_file],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "NO_PROXY": "*"},
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert "is valid" in ended.stderr


@pytest.mark.parametrize("text", ["concurrent = 1\ncheck_interval = 1\n", None], ids=["no runner", "no config.toml"])
def test_a_runner_that_is_running_takes_up_what_is_registered(
    host: Host, coordinator: Coordinator, text: str | None
) -> None:
    host.call("install", "--root", str(host.root))
    if text:
        host.config_file.write_text(text)
    runner = GitLabRunner(host, coordinator).start()
    try:
        host.register("--name", "later")
        record = runner.run(Job(script=["echo taken up"]))
    finally:
        runner.stop()

    assert record.outcome == ("success", None, None), record.trace
    runner.assert_nothing_left()


def _complaints(host: Host) -> list[Any]:
    """What `executor doctor` finds wrong while the runner runs, with a throw-away job of its own."""
    report = json.loads(host.call("doctor", "--config", str(host.config_file), "--job", "--json"))
    return [check for check in report["checks"] if check["status"] in ("error", "warning", "crashed")]
