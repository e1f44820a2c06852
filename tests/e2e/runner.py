"""A gitlab-runner process with this driver, its settings, and what it must not leave behind."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import docker

from tests.e2e.jobs import Job, JobRecord, unique_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.coordinator import Coordinator

LAUNCHER = Path(sys.executable).parent / "executor"

# Removal goes on in the background after cleanup has ended: seconds until nothing is left, and until the processes that
# remove must have ended, however busy the machine is.
REMOVAL_SECONDS = 5.0
BUSY_SECONDS = 40.0

_CONFIG = """\
concurrent = {concurrency}
check_interval = 1
[[runners]]
  name = "{name}"
  url = "{url}"
  token = "{token}"
  executor = "custom"
  {options}
  [runners.feature_flags]
    FF_TIMESTAMPS = false
  [runners.custom_build_dir]
    enabled = true
  [runners.custom]
    config_exec = "{driver}"
    config_args = ["config", "--config", "{file}"]
    prepare_exec = "{driver}"
    prepare_args = ["prepare", "--config", "{file}"]
    run_exec = "{driver}"
    run_args = ["run", "--config", "{file}"]
    cleanup_exec = "{driver}"
    cleanup_args = ["cleanup", "--config", "{file}"]
    graceful_kill_timeout = 20
    force_kill_timeout = 5
  [runners.docker]
    image = "debian:12"
    pull_policy = ["if-not-present"]
{docker}
"""


class Settings:
    """config.toml and executor.toml in a folder of their own, with a state folder that no other runner shares.

    `options` are lines of `[[runners]]`, `docker_options` lines of `[runners.docker]`, `executor_options` sections of
    executor.toml.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        *,
        concurrency: int = 1,
        options: str = "",
        docker_options: str = "",
        executor_options: str = "",
        driver: Path = LAUNCHER,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.config_file = folder / "config.toml"
        self.state_dir = folder / "state"
        self.token = f"glrt-{unique_number()}e2e{unique_number()}"
        values = {
            "concurrency": concurrency,
            "name": f"e2e-{self.token[-12:]}",
            "url": url,
            "token": self.token,
            "options": options,
            "driver": driver,
            "file": self.config_file,
            "docker": docker_options,
        }
        self.config_file.write_text(_CONFIG.format(**values))
        (folder / "executor.toml").write_text(f'[storage]\nstate_dir = "{self.state_dir}"\n{executor_options}')

    @property
    def short_token(self) -> str:
        """The part of the token that the runner shows."""
        return self.token.removeprefix("glrt-")[:9]


class GitLabRunner:
    """`gitlab-runner run` with one registered runner. Jobs end up in `records`, its own messages in `log`."""

    def __init__(self, settings: Settings, coordinator: Coordinator) -> None:
        self.settings = settings
        self.coordinator = coordinator
        self.records: list[JobRecord] = []
        self._log_file = settings.folder / "runner.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What the runner process itself said."""
        return self._log_file.read_text(errors="replace")

    def start(self) -> GitLabRunner:
        """Start the process; it asks for jobs at once."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("CI_", "RUNNER_", "CUSTOM_", "CONFIG_FILE"))}
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [_gitlab_runner(), "run", "-c", str(self.settings.config_file), "-d", str(self.settings.folder)],
                env={**clean, "TMPDIR": self._temporary_folder(), "NO_PROXY": "*"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def submit(self, job: Job) -> JobRecord:
        """Queue a job."""
        record = self.coordinator.submit(job, self.settings.token)
        self.records.append(record)
        return record

    def run(self, job: Job, seconds: float = 90) -> JobRecord:
        """Run a job to its end."""
        return self.submit(job).wait(seconds)

    def stop(self) -> None:
        """End the process as an operator does."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(40)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def kill(self) -> None:
        """End the process as the kernel does: the driver's processes live on."""
        assert self._process
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def leftovers(self) -> list[str]:
        """What is still there of jobs that have ended; state and processes only where no job runs."""
        things = [item for record in self.records if record.ended.is_set() for item in left_of(record.job.id)]
        if any(not record.ended.is_set() for record in self.records):
            return things
        state = [str(path) for path in _entries(self.settings.state_dir / "jobs")]
        return things + state + [f"process {pid}" for pid in driver_processes(self.settings)]

    def assert_nothing_left(self) -> None:
        """A few seconds after a job's end none of its containers, networks, volumes and state is there."""
        left = when_settled(self.settings, self.leftovers)
        assert not left, "left behind:\n" + "\n".join(left)

    def _temporary_folder(self) -> str:
        folder = self.settings.folder / "tmp"
        folder.mkdir(exist_ok=True)
        return str(folder)


def left_of(job_id: int) -> list[str]:
    """Containers, networks and volumes whose name or labels hold the job's number."""
    client = docker.from_env()
    try:
        objects = [
            *(("container", found) for found in client.api.containers(all=True)),
            *(("network", found) for found in client.api.networks()),
            *(("volume", found) for found in client.api.volumes()["Volumes"] or []),
        ]
    finally:
        client.close()
    described = (f"{kind} {o.get('Names') or o.get('Name')} {o.get('Labels')}" for kind, o in objects)
    return [text for text in described if re.search(rf"(?<!\d){job_id}(?!\d)", text)]


def driver_processes(settings: Settings, phase: str = "") -> list[int]:
    """Processes of the driver that work with these settings, those of one phase if it is given."""
    return [
        process
        for process, words in _command_lines()
        if str(settings.config_file) in words
        and any(word.endswith("/executor") for word in words)
        and (not phase or phase in words)
    ]


def when_settled(settings: Settings, find: Callable[[], list[str]]) -> list[str]:
    """What `find` still returns a few seconds after the driver has done its work."""
    wait_until_empty(lambda: list(map(str, driver_processes(settings))), BUSY_SECONDS)
    return wait_until_empty(find, REMOVAL_SECONDS)


def wait_until_empty(find: Callable[[], list[str]], seconds: float) -> list[str]:
    """Call `find` until it returns an empty list or the time is over; return its last answer."""
    deadline = time.monotonic() + seconds
    while (found := find()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return list(found)


def _command_lines() -> Iterator[tuple[int, list[str]]]:
    """Every process of this host with the words of its command line."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield int(folder.name), (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _gitlab_runner() -> str:
    path = shutil.which("gitlab-runner")
    assert path
    return path
