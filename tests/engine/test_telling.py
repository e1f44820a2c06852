"""GitLab is told of a job that was killed for memory, by the operator's token, after a real job."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.e2e.jobs import Job
from tests.unit.report.gitlab import TOKEN, GitLab

if TYPE_CHECKING:
    from tests.engine.conftest import StartJob
    from tests.engine.jobs import Driver

LIMITED = 'pull_policy = "if-not-present"\nmemory = "64m"\nmemory_swap = "64m"\n'


def killed(driver: StartJob, url: str) -> Driver:
    """A job whose script the kernel killed for memory, up to its cleanup."""
    made = driver(Job(script=[]), docker_options=LIMITED)
    config = made.folder / "config.toml"
    config.write_text(config.read_text().replace("https://gitlab.invalid", url))
    token = made.folder / "token"
    token.write_text(TOKEN)
    with (made.folder / "executor.toml").open("a") as file:
        file.write(f'[report]\ncommit_status = true\ntoken_file = "{token}"\n')
    made.prepared()
    assert made.run("tail /dev/zero").code == 1
    assert made.call("cleanup").code == 0
    return made


def test_a_killed_job_is_a_status_of_its_commit(driver: StartJob) -> None:
    gitlab = GitLab()
    killed(driver, gitlab.url)
    deadline = time.monotonic() + 20
    while not gitlab.statuses:
        assert time.monotonic() < deadline
        time.sleep(0.05)

    (status,) = gitlab.statuses
    assert "killed" in status["description"]
    assert status["state"] == "success"
    gitlab.server.shutdown()


def test_a_gitlab_that_is_gone_is_told_once_by_the_next_cleanup(driver: StartJob) -> None:
    made = killed(driver, "http://127.0.0.1:1")
    failure = made.folder / "state" / "telling.failure"
    deadline = time.monotonic() + 20
    while not failure.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)

    assert "does not answer as GitLab does" in failure.read_text()
    assert TOKEN not in failure.read_text()
