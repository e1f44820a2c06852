"""Command lines of this machine while a real runner's job goes through all its stages."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import Job, unique_number, variable
from tests.e2e.repositories import make_repository

if TYPE_CHECKING:
    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner


class Watch:
    """Reads every command line over and over: those of the host, and those in containers, which the scripts start."""

    def __init__(self) -> None:
        self.of_host: set[bytes] = set()
        self.in_containers: set[bytes] = set()
        self._own = os.readlink("/proc/self/ns/pid")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.005):
            for pid in filter(str.isdigit, os.listdir("/proc")):
                self._note(pid)

    def _note(self, pid: str) -> None:
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            place = self.of_host if os.readlink(f"/proc/{pid}/ns/pid") == self._own else self.in_containers
        except OSError:
            return
        place.add(line)


def test_no_secret_is_on_a_command_line_of_the_host(runner: GitLabRunner, repositories: Path) -> None:
    project = f"virida/demo{unique_number()}"
    secret = "sup3r-s3cret-value"
    job = Job(
        script=["echo $SECRET > out", "cat $FILE", "sleep 1"],
        after_script=["sleep 1"],
        project=project,
        sha=make_repository(repositories, project, {"README.md": "demo\n"}),
        git_strategy="fetch",
        variables=[variable("SECRET", secret, masked=True), variable("FILE", secret, file=True, masked=True)],
        artifacts=[{"paths": ["out"]}],
        cache=[{"key": "k", "paths": ["out"]}],
    )
    with Watch() as watch:
        record = runner.run(job)
    assert record.outcome == ("success", None, None), record.trace
    mine = [line for line in watch.of_host if b"executor" in line and b"build_script" in line]
    assert mine, "the driver was not seen at work"
    assert [line for line in watch.of_host if secret.encode() in line or job.token.encode() in line] == []
    assert [line for line in watch.in_containers if secret.encode() in line] == []
