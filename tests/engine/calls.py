"""The driver's calls for one job, as gitlab-runner makes them: the launcher, its arguments, its environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

from tests.e2e.jobs import Job, without_colours
from tests.e2e.runner import LAUNCHER, left_of, wait_until_empty
from tests.engine.phases import start_phase

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REMOVAL_SECONDS = 15.0

CONFIG = """\
[[runners]]
  name = "calls"
  url = "https://gitlab.invalid"
  token = "{token}"
  executor = "custom"
  [runners.custom]
    run_exec = "{launcher}"
  [runners.docker]
    pull_policy = ["if-not-present"]
{docker}
"""


class Ended:
    """What a call said and its exit code. `text` is all of it, without colours."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
        out, err = process.communicate(timeout=seconds)
        self.code = process.returncode
        self.out = without_colours(out.decode(errors="replace"))
        self.err = without_colours(err.decode(errors="replace"))
        self.text = self.out + self.err


class Host:
    """A runner's host: config.toml, executor.toml and a state folder, with nothing of it shared."""

    def __init__(self, folder: Path, *, docker: str = "", state_dir: Path | None = None) -> None:
        self.folder = folder
        self.state_dir = state_dir or folder / "state"
        self.config = folder / "config.toml"
        folder.mkdir(parents=True, exist_ok=True)
        token = f"glrt-{os.getpid()}t{time.monotonic_ns()}"
        self.config.write_text(CONFIG.format(token=token, launcher=LAUNCHER, docker=docker))
        (folder / "executor.toml").write_text(f'[storage]\nstate_dir = "{self.state_dir}"\n')
        self.calls: list[Calls] = []

    def job(self, image: str | dict[str, Any] = "debian:12", **changes: Any) -> Calls:
        """An attempt at a job of its own."""
        self.calls.append(Calls(self, Job(script=[], image=image, **changes)))
        return self.calls[-1]

    def jobs(self) -> list[str]:
        """The folders of jobs that are not removed yet."""
        folder = self.state_dir / "jobs"
        return sorted(os.listdir(folder)) if folder.is_dir() else []

    def left(self) -> list[str]:
        """What is there of any job: in the Engine, in the state folder, among the folders that go with a job."""
        passing = [str(path) for path in self.state_dir.glob("builds/*/*/job-*")]
        return [*(item for calls in self.calls for item in left_of(calls.job.id)), *self.jobs(), *passing]

    def assert_nothing_left(self, seconds: float = REMOVAL_SECONDS) -> None:
        """Soon after everything has ended nothing of it is there."""
        left = wait_until_empty(self.left, seconds)
        assert not left, "left behind:\n" + "\n".join(left)


class Calls:
    """One attempt: its TMPDIR, and the driver's phases. `environment` is added to that of every call."""

    def __init__(self, host: Host, job: Job) -> None:
        self.host = host
        self.job = job
        self.tmpdir = host.folder / f"custom-executor{job.id}"
        self.tmpdir.mkdir(mode=0o700)
        self.response = self.tmpdir / "response.json"
        self.response.write_text(json.dumps(job.response("gitlab.invalid")))
        self.exit_code_file = self.tmpdir / "build_exit_code"
        self.environment: dict[str, str] = {}

    def variables(self) -> dict[str, str]:
        """The environment of a call."""
        added = {
            "CI_CONCURRENT_PROJECT_ID": "0",
            "CI_PROJECT_DIR": f"/builds/{self.job.project}",
            "RUNNER_TEMP_PROJECT_DIR": f"/builds/{self.job.project}.tmp",
        }
        of_job = {str(entry["key"]): str(entry["value"]) for entry in self.job.response("gitlab.invalid")["variables"]}
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "DOCKER_HOST") if key in os.environ}
        return {
            **kept,
            "TMPDIR": str(self.tmpdir),
            "BUILD_FAILURE_EXIT_CODE": "1",
            "SYSTEM_FAILURE_EXIT_CODE": "2",
            "BUILD_EXIT_CODE_FILE": str(self.exit_code_file),
            "JOB_RESPONSE_FILE": str(self.response),
            **{f"CUSTOM_ENV_{key}": value for key, value in {**of_job, **added}.items()},
            **self.environment,
        }

    def begin(self, phase: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a phase."""
        environment = {key: value for key, value in self.variables().items() if value != "-"}
        folder = self.tmpdir if self.tmpdir.exists() else "/"
        return start_phase(self.host.config, (phase, *words), environment, folder, stderr=subprocess.PIPE)

    def call(self, phase: str, *words: str) -> Ended:
        """Run a phase to its end. Whatever happens, nobody gets to see a traceback."""
        ended = Ended(self.begin(phase, *words))
        assert "Traceback" not in ended.text, ended.text
        return ended

    def run(self, text: str, stage: str = "build_script") -> Ended:
        """Run a stage whose script is `text`."""
        return self.call("run", self.script(text), stage)

    def script(self, text: str) -> str:
        """The path of a script, as the runner lays it."""
        folder = self.tmpdir / f"script{time.monotonic_ns()}"
        folder.mkdir(mode=0o700)
        (folder / "script").write_text(text)
        (folder / "script").chmod(0o700)
        return str(folder / "script")

    def prepared(self) -> Calls:
        """The attempt, after `config` and `prepare`."""
        for phase in ("config", "prepare"):
            ended = self.call(phase)
            assert ended.code == 0, ended.text
        return self

    def end(self) -> Ended:
        """`cleanup`, after which the runner removes the attempt's folder."""
        ended = self.call("cleanup")
        self.vanish()
        return ended

    def vanish(self) -> None:
        """The attempt's folder goes, as it does when the runner is done with the job, or dies of it."""
        shutil.rmtree(self.tmpdir, ignore_errors=True)


def wait_until(true: Callable[[], object], seconds: float = 10) -> None:
    """Wait for something that is bound to come."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.005)
