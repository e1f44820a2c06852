"""One attempt at preparing a job, and the driver calls that follow it: the runner's side of the protocol."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from executor import __version__
from executor.job.model import Variable
from executor.job.variables import expand
from executor.pipeline.local.calls import call_driver
from executor.pipeline.local.control import TIMED_OUT, Limit
from executor.pipeline.local.driver_settings import runner_environment
from executor.pipeline.local.model import Failure, Paths, StageFailed
from executor.pipeline.local.response import job_response, services_variable
from executor.pipeline.local.variables import stage_variables, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.pipeline.local.calls import Ended
    from executor.pipeline.local.log import JobLog
    from executor.pipeline.local.model import Reason
    from executor.pipeline.local.response import JobRequest
    from executor.settings.model import RunnerSettings

BUILD_FAILURE, SYSTEM_FAILURE = 1, 2
CLEANUP_SECONDS = 300.0
USED_SECONDS = 10.0
# The name under which `run` gets the step called "script".
DRIVER_STAGES = {"step_script": "build_script"}


class Attempt:
    """A fresh TMPDIR with the job's response file, from config_exec to cleanup_exec."""

    def __init__(
        self, request: JobRequest, settings: RunnerSettings, config_file: Path, slot: int, log: JobLog
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="executor-exec-"))
        self.job_status = "running"
        self.paths: Paths | None = None
        self._request = request
        self._settings = settings
        self.config_file = config_file
        self._slot = slot
        self._log = log
        self._job_env: dict[str, str] = {}
        self._scripts = 0
        _write_private(self.folder / "response.json", json.dumps(job_response(request, self._expand_early)), 0o600)

    @property
    def known_paths(self) -> Paths:
        """The folders in the job's containers; only after `configure`."""
        if self.paths is None:
            raise RuntimeError("no folders before config_exec")
        return self.paths

    def configure(self, should_stop: Callable[[], str]) -> None:
        """config_exec: where builds and cache live, and what else the driver wants."""
        ended = self._call(["config"], should_stop, keep_output=True)
        self._raise_for(ended, "config")
        try:
            answer = json.loads(ended.output) if ended.output else {}
        except ValueError:
            raise StageFailed(
                _system_failure("config", "the driver's config printed something else than JSON")
            ) from None
        self._take_over(answer or {})

    def prepare(self, should_stop: Callable[[], str]) -> None:
        """prepare_exec: containers are up afterwards."""
        self._raise_for(self._call(["prepare"], should_stop), "prepare")

    def run(self, stage: str, script: str, should_stop: Callable[[], str]) -> None:
        """run_exec: one script in its container. Raises StageFailed with the user's exit code where there is one."""
        self._scripts += 1
        folder = self.folder / f"script{self._scripts:04d}"
        folder.mkdir(mode=0o700)
        path = folder / "script"
        _write_private(path, script, 0o700)
        self._exit_code_file.unlink(missing_ok=True)
        self._raise_for(self._call(["run", str(path), DRIVER_STAGES.get(stage, stage)], should_stop), stage)

    def cpu_seconds(self) -> float | None:
        """What the job's containers have used so far; None where the driver cannot tell, which fails nothing."""
        ended = self._call(["used"], Limit(USED_SECONDS).reason, keep_output=True)
        try:
            return float(json.loads(ended.output)["cpu_seconds"])
        except (ValueError, KeyError, TypeError):
            return None

    def close(self) -> None:
        """cleanup_exec, then the end of TMPDIR. Nothing interrupts it but its own time limit."""
        ended = self._call(["cleanup"], Limit(CLEANUP_SECONDS).reason)
        if ended.exit_code:
            self._log.say(f"WARNING: Cleanup script failed: exit status {ended.exit_code}")
        shutil.rmtree(self.folder, ignore_errors=True)

    def variables(self) -> tuple[Variable, ...]:
        """What stage scripts export: everything expanded, with the folders as far as they are known."""
        return stage_variables([*self._request.variables, *self._late_variables()], self.paths, self._early_variables())

    def expand(self, text: str) -> str:
        """`text` with the job's variables, as scripts see them."""
        return expand(text, values(self.variables(), self.paths))

    def environment(self) -> dict[str, str]:
        """The environment of a driver call."""
        custom = {f"CUSTOM_ENV_{entry.key}": entry.value for entry in self.variables()}
        services = services_variable(self._request.job.services, self.expand)
        return {
            **os.environ,
            "TMPDIR": str(self.folder),
            "BUILD_FAILURE_EXIT_CODE": str(BUILD_FAILURE),
            "SYSTEM_FAILURE_EXIT_CODE": str(SYSTEM_FAILURE),
            "BUILD_EXIT_CODE_FILE": str(self._exit_code_file),
            "JOB_RESPONSE_FILE": str(self.folder / "response.json"),
            **self._job_env,
            **{key: value.replace("\0", "") for key, value in custom.items()},
            "CUSTOM_ENV_CI_JOB_SERVICES": json.dumps(services) if services else "",
        }

    @property
    def _exit_code_file(self) -> Path:
        return self.folder / "build_exit_code"

    def _call(self, words: list[str], should_stop: Callable[[], str], *, keep_output: bool = False) -> Ended:
        phase, *rest = words
        return call_driver(
            [phase, "--config", str(self.config_file), *rest],
            environment=self.environment(),
            folder=self.folder,
            write=self._log.write,
            should_stop=should_stop,
            keep_output=keep_output,
        )

    def _take_over(self, answer: dict[str, Any]) -> None:
        """The folders and the environment that the driver asked for."""
        builds = str(answer.get("builds_dir", self._settings.builds_dir))
        cache = str(answer.get("cache_dir", self._settings.cache_dir))
        project = self._request.repository.project_path
        shared = f"/{self._settings.short_token}/{self._slot}" if answer.get("builds_dir_is_shared") else ""
        self.paths = Paths(
            builds_dir=builds,
            cache_dir=f"{cache}/{project}",
            project_dir=f"{builds}{shared.replace('//', '/')}/{project}",
        )
        self._job_env = dict(answer.get("job_env") or {})
        driver = answer.get("driver") or {}
        name = " ".join(["", "with driver", driver["name"], driver.get("version") or ""]) if driver.get("name") else ""
        self._log.say(f"Using Custom executor{name.rstrip()}...")

    def _early_variables(self) -> dict[str, str]:
        """What the runner puts before the job's own variables, which may overwrite it."""
        image = self._request.job.image
        return {
            **({"CI_JOB_IMAGE": self._expand_early(image.name)} if image else {}),
            **dict(runner_environment(self._settings)),
            "CI_BUILDS_DIR": self.paths.builds_dir if self.paths else "",
            "CI_PROJECT_DIR": self.paths.project_dir if self.paths else "",
            "CI_CONCURRENT_ID": str(self._slot),
            "CI_CONCURRENT_PROJECT_ID": str(self._slot),
            "CI_SERVER": "yes",
            "CI_JOB_STATUS": self.job_status,
            "CI_JOB_TIMEOUT": str(self._request.timeout),
        }

    def _late_variables(self) -> list[Variable]:
        """What the runner puts after the job's own variables."""
        late = {
            "CI_SHARED_ENVIRONMENT": "true",
            "CI_RUNNER_VERSION": __version__,
            "RUNNER_TEMP_PROJECT_DIR": self.paths.temporary_dir if self.paths else ".tmp",
        }
        return [Variable(key=key, value=value, public=True, raw=True) for key, value in late.items()]

    def _expand_early(self, text: str) -> str:
        return expand(text, values(stage_variables(self._request.variables, None, {}), None))

    def _raise_for(self, ended: Ended, stage: str) -> None:
        failure = failure_of(ended, stage, self._exit_code_file)
        if failure:
            raise StageFailed(failure)


def failure_of(ended: Ended, stage: str, exit_code_file: Path) -> Failure | None:
    """What the runner makes of a call's end. A call that was told to stop has failed, whatever its exit code."""
    if ended.stopped:
        return stopped(ended.stopped, stage)
    if ended.exit_code == 0:
        return None
    if ended.exit_code == BUILD_FAILURE:
        return _build_failure(stage, exit_code_file)
    if ended.exit_code == SYSTEM_FAILURE:
        return _system_failure(stage, "exit status 2")
    return _system_failure(stage, f"unknown Custom executor executable exit code {ended.exit_code}")


def stopped(why: str, stage: str) -> Failure:
    """The failure of a job whose stage was told to stop: `why` is CANCELED or TIMED_OUT."""
    reason: Reason = "job_execution_timeout" if why == TIMED_OUT else "job_canceled"
    return Failure(reason=reason, message=why, stage=stage)


def _build_failure(stage: str, exit_code_file: Path) -> Failure:
    try:
        first = exit_code_file.read_text().partition("\n")[0]
    except FileNotFoundError:
        return Failure(reason="script_failure", message="exit status 1", exit_code=1, stage=stage)
    try:
        code = int(first) if first == first.strip() else None
    except ValueError:
        code = None
    if code is None:
        return _system_failure(stage, "the file with the script's exit code is malformed")
    return Failure(reason="script_failure", message=f"exit status {code}", exit_code=code, stage=stage)


def _system_failure(stage: str, message: str) -> Failure:
    return Failure(reason="runner_system_failure", message=message, stage=stage)


def _write_private(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "w", errors="surrogateescape") as file:
        file.write(text)
