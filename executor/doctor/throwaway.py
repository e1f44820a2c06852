"""A job that does next to nothing, through all four phases, as gitlab-runner would call them."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from executor.errors import ExecutorError
from executor.plan.naming import JOB_LABEL

if TYPE_CHECKING:
    from executor.doctor.scene import Scene
    from executor.doctor.world import Ran

PROJECT = "virida-executor/doctor"
PROJECT_ID = 0
PHASE_SECONDS = 90.0
REMOVAL_SECONDS = 20.0
LATEST_ID = 10**9
NO_SHELL, NO_WRITE, NO_CACHE = 70, 71, 72

_HELPER = """\
mkdir -p '{project}' && cd '{project}' || exit {no_write}
git --version || exit {no_shell}
command -v gitlab-runner || command -v gitlab-runner-helper || echo 'no gitlab-runner'
"""
_GITLAB = """\
export GIT_TERMINAL_PROMPT=0
timeout 8 git ls-remote '{url}/{path}.git' 2>&1
echo "git ended with $?"
"""
_BUILD = """\
echo "shell: ${{BASH_VERSION:-no bash}}, user: $(id -u)"
cd '{project}' && echo written > doctor && test "$(cat doctor)" = written && rm doctor || exit {no_write}
echo written > '{cache}/doctor' && rm '{cache}/doctor' || exit {no_cache}
"""


@dataclass
class JobRun:
    """How far the job came. `steps` are the calls that were made, by name; `left` what was there after cleanup."""

    steps: dict[str, Ran] = field(default_factory=dict)
    script_code: int | None = None
    left: list[str] = field(default_factory=list)


def run_job(scene: Scene, program: str) -> JobRun:
    """Run it with `program`, as the service's account. What it makes is removed again, whatever happens."""
    folder = tempfile.mkdtemp(prefix="custom-executor-doctor", dir=scene.temporary_dir)
    run = JobRun()
    try:
        _own(scene, folder)
        _Calls(scene, program, folder, run).make()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return run


class _Calls:
    """The calls for one job, in order, until one fails; cleanup comes whatever happens."""

    def __init__(self, scene: Scene, program: str, folder: str, run: JobRun) -> None:
        self._scene = scene
        self._program = program
        self._folder = folder
        self._run = run
        self._id = int(time.time()) % LATEST_ID
        self._builds, self._cache = "/builds", "/cache"

    def make(self) -> None:
        self._write("response.json", json.dumps(self._response()))
        try:
            if self._config() and self._call("prepare", "prepare").code == 0:
                self._stages()
        finally:
            key = self._key()
            self._call("cleanup", "cleanup")
            self._run.left = self._left(key)

    def _config(self) -> bool:
        ran = self._call("config", "config")
        try:
            answer = json.loads(ran.output)
            self._builds, self._cache = str(answer["builds_dir"]), str(answer["cache_dir"])
        except (ValueError, KeyError, TypeError):
            return False
        return ran.code == 0

    def _stages(self) -> None:
        values = {
            "project": f"{self._builds}/{PROJECT}",
            "cache": self._cache,
            "path": PROJECT,
            "no_shell": NO_SHELL,
            "no_write": NO_WRITE,
            "no_cache": NO_CACHE,
        }
        if self._stage("helper", "prepare_script", _HELPER.format(**values)).code != 0:
            return
        if url := _gitlab_url(self._scene):
            self._stage("gitlab", "get_sources", _GITLAB.format(url=url, **values))
        self._stage("build", "build_script", _BUILD.format(**values))

    def _stage(self, name: str, stage: str, script: str) -> Ran:
        path = self._write(f"script-{name}", f"#!/usr/bin/env bash\n{script}exit 0\n")
        ran = self._call(name, "run", path, stage)
        self._run.script_code = _number(f"{self._folder}/build_exit_code") if ran.code == 1 else None
        return ran

    def _call(self, name: str, phase: str, *words: str) -> Ran:
        config = ("--config", self._scene.config) if os.path.isfile(self._scene.config) else ()
        command = (self._program, phase, *config, *self._runner(), *words)
        ran = self._scene.world.run(command, PHASE_SECONDS, environment=self._environment(), folder=self._folder)
        self._run.steps[name] = ran
        return ran

    def _runner(self) -> tuple[str, ...]:
        name = self._scene.runner or self._scene.settings.runner.name
        return ("--runner", name) if name else ()

    def _environment(self) -> dict[str, str]:
        project = f"{self._builds}/{PROJECT}"
        variables = {"CI_PROJECT_DIR": project, "RUNNER_TEMP_PROJECT_DIR": f"{project}.tmp", "CI": "true"}
        return {
            "TMPDIR": self._folder,
            "BUILD_FAILURE_EXIT_CODE": "1",
            "SYSTEM_FAILURE_EXIT_CODE": "2",
            "BUILD_EXIT_CODE_FILE": f"{self._folder}/build_exit_code",
            "JOB_RESPONSE_FILE": f"{self._folder}/response.json",
            **{f"CUSTOM_ENV_{name}": value for name, value in variables.items()},
        }

    def _response(self) -> dict[str, Any]:
        step = {"name": "script", "script": ["true"], "timeout": 60, "when": "on_success", "allow_failure": False}
        return {
            "id": self._id,
            "token": "",
            "allow_git_fetch": False,
            "job_info": {
                "name": "doctor",
                "stage": "test",
                "project_id": PROJECT_ID,
                "project_name": "doctor",
                "project_full_path": PROJECT,
            },
            "git_info": {"ref": "main", "sha": "0" * 40, "protected": False, "repo_url": ""},
            "runner_info": {"timeout": 300},
            "variables": [{"key": "GIT_STRATEGY", "value": "none", "public": True}],
            "steps": [step],
            "image": {"name": "" if self._scene.settings.docker.image else _any_image(self._scene)},
            "services": [],
            "artifacts": [],
            "cache": [],
            "credentials": [],
            "dependencies": [],
            "features": {},
        }

    def _write(self, name: str, text: str) -> str:
        path = os.path.join(self._folder, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o700)
        _own(self._scene, path)
        return path

    def _key(self) -> str:
        try:
            return os.path.basename(os.readlink(f"{self._folder}/virida-executor"))
        except OSError:
            return ""

    def _left(self, key: str) -> list[str]:
        """What is still there of the job when there was time enough to remove it."""
        deadline = time.monotonic() + REMOVAL_SECONDS
        while key and (left := self._things(key)):
            if time.monotonic() > deadline:
                return left
            time.sleep(0.1)
        return []

    def _things(self, key: str) -> list[str]:
        from executor.engine.client import Engine

        folder = f"{self._scene.state_dir}/jobs/{key}"
        try:
            containers = Engine(self._scene.endpoint).labelled("containers", f"{JOB_LABEL}={key}").value() or []
        except ExecutorError:
            containers = []
        names = [str(container["Names"][0]).lstrip("/") for container in containers]
        return [*names, *([folder] if os.path.isdir(folder) else [])]


def _gitlab_url(scene: Scene) -> str:
    from executor.doctor.model import Skip

    try:
        return "" if "'" in scene.url else scene.url
    except Skip:
        return ""


def _any_image(scene: Scene) -> str:
    from executor.plan.images import OWN_HELPER

    return scene.settings.helper.image or scene.settings.docker.helper_image or OWN_HELPER


def _own(scene: Scene, path: str) -> None:
    if os.geteuid() == 0 and scene.account.uid != 0:
        os.chown(path, scene.account.uid, scene.account.gid)


def _number(path: str) -> int | None:
    try:
        with open(path) as file:
            return int(file.read())
    except (OSError, ValueError):
        return None
