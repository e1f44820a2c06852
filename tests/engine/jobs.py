"""Whole jobs without a runner: the driver's four commands, called as gitlab-runner calls them."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import docker

from tests.e2e.jobs import Job, unique_number, without_colours
from tests.e2e.runner import left_of, wait_until_empty
from tests.engine.phases import start_phase

if TYPE_CHECKING:
    from pathlib import Path

CALL_SECONDS = 90

_CONFIG = """\
[[runners]]
  name = "engine-tests"
  url = "https://gitlab.invalid"
  token = "glrt-{token}"
  executor = "custom"
  {runner}
  [runners.docker]
{docker}
"""

PULL_NOTHING = 'pull_policy = ["if-not-present"]'


class Called:
    """What one call came to. `output` is both streams without colours."""

    def __init__(self, code: int, output: str, seconds: float) -> None:
        self.code = code
        self.output = output
        self.seconds = seconds


class Driver:
    """A job and the driver that runs it. `docker_options` are lines of `[runners.docker]`, `runner_options` of
    `[[runners]]`, `token` is that runner's; `changes` are keys of the job as GitLab sends it, `environment` variables
    of the runner's process.
    """

    def __init__(
        self,
        folder: Path,
        job: Job,
        *,
        docker_options: str = PULL_NOTHING,
        runner_options: str = "",
        changes: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        state: Path | None = None,
        token: str = "",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.job = job
        self._config = folder / "config.toml"
        self.token = token or f"{unique_number()}engine"
        self._config.write_text(_CONFIG.format(token=self.token, runner=runner_options, docker=docker_options))
        (folder / "executor.toml").write_text(f'[storage]\nstate_dir = "{state or folder / "state"}"\n')
        response = job.response("gitlab.invalid") | (changes or {})
        self._response = folder / "response.json"
        self._response.write_text(json.dumps(response))
        (folder / "home").mkdir(exist_ok=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder),
            "JOB_RESPONSE_FILE": str(self._response),
            "BUILD_EXIT_CODE_FILE": str(folder / "build_exit_code"),
            "CUSTOM_ENV_CI_RUNNER_SHORT_TOKEN": self.token[:9],
            "CUSTOM_ENV_CI_CONCURRENT_PROJECT_ID": "0",
            "CUSTOM_ENV_CI_PROJECT_DIR": f"/builds/{job.project}",
            "CUSTOM_ENV_RUNNER_TEMP_PROJECT_DIR": f"/builds/{job.project}.tmp",
            **{f"CUSTOM_ENV_{entry['key']}": str(entry["value"]) for entry in response["variables"]},
            **(environment or {}),
        }

    def call(self, *arguments: str) -> Called:
        """Call the driver."""
        process = self.begin(*arguments)
        began = time.monotonic()
        out, _ = process.communicate(timeout=CALL_SECONDS)
        return Called(process.returncode, without_colours(out.decode(errors="replace")), time.monotonic() - began)

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Begin a call; both its streams go to one pipe."""
        return start_phase(self._config, arguments, self.environment, self.folder, stderr=subprocess.STDOUT)

    def prepare(self) -> Called:
        """`config`, then `prepare`."""
        configured = self.call("config")
        assert configured.code == 0, configured.output
        return self.call("prepare")

    def prepared(self) -> str:
        """What `prepare` said, which must have gone well."""
        called = self.prepare()
        assert called.code == 0, called.output
        return called.output

    def run(self, *commands: str, stage: str = "build_script") -> Called:
        """A stage with a script of `commands`, which ends at the first that fails."""
        return self.call("run", self.script(*commands), stage)

    def script(self, *commands: str) -> str:
        """The path of a script."""
        path = self.folder / f"script{unique_number()}"
        path.write_text("\n".join(["set -e", *commands, ""]))
        return str(path)

    def inspect(self, kind: str, number: int = 0) -> dict[str, Any]:
        """The Engine's word on a container of the job: `build`, `predefined` or `service`."""
        client = docker.from_env()
        try:
            labels = [f"com.gitlab.gitlab-runner.job.id={self.job.id}", f"com.gitlab.gitlab-runner.type={kind}"]
            found = client.api.containers(all=True, filters={"label": labels})
            names = sorted((one["Names"][0] for one in found), key=lambda name: str(name).rpartition("-")[2])
            return dict(client.api.inspect_container(names[number]))
        finally:
            client.close()

    def end(self) -> None:
        """`cleanup`; nothing may be left but volumes that are kept between jobs."""
        self.call("cleanup")
        left = wait_until_empty(lambda: left_of(self.job.id), 40)
        assert not left, "left behind:\n" + "\n".join(left)
