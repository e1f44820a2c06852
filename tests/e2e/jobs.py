"""Jobs as GitLab sends them, and what became of them."""

from __future__ import annotations

import itertools
import os
import random
import re
import threading
import time
import zlib
from dataclasses import dataclass, field
from typing import Any

Variable = dict[str, str | bool]

# Unique on this host: names and labels of what the driver makes hold them, and test processes run side by side.
_numbers = itertools.count(random.SystemRandom().randrange(10**8, 9 * 10**8) + os.getpid() % 1000)

_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_FAILURE_REASONS = [
    "unknown_failure",
    "script_failure",
    "runner_system_failure",
    "job_execution_timeout",
    "runner_configuration_error",
    "job_canceled",
    "runner_interrupted",
]


def unique_number() -> int:
    """A number that no other test on this host uses."""
    return next(_numbers)


def variable(key: str, value: str, *, file: bool = False, masked: bool = False, raw: bool = False) -> Variable:
    """One entry of a job's `variables`."""
    return {"key": key, "value": value, "file": file, "masked": masked, "raw": raw, "public": not masked}


@dataclass(kw_only=True)
class Job:
    """A job with defaults that suit most tests: no sources, `debian:12`, a project of its own.

    `timeout` in seconds. `image` and `services` are names, or objects as GitLab sends them. `dependencies` are finished
    jobs whose archive is downloaded. `hooks` are by name, `extra_steps` are named scripts after the main one.
    """

    script: list[str]
    after_script: list[str] = field(default_factory=list)
    image: str | dict[str, Any] = "debian:12"
    services: list[str | dict[str, Any]] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    git_strategy: str = "none"
    project: str = ""
    ref: str = "main"
    sha: str = "0" * 40
    depth: int = 20
    timeout: int = 120
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    cache: list[dict[str, Any]] = field(default_factory=list)
    dependencies: list[JobRecord] = field(default_factory=list)
    hooks: dict[str, list[str]] = field(default_factory=dict)
    extra_steps: dict[str, list[str]] = field(default_factory=dict)
    protected: bool = False
    id: int = field(default_factory=unique_number)

    def __post_init__(self) -> None:
        self.project = self.project or f"virida/p{self.id}"

    @property
    def token(self) -> str:
        """The job token, in the form that the runner masks."""
        return f"glcbt-64_{self.id}abcdefghij"

    def response(self, address: str, scheme: str = "http") -> dict[str, Any]:
        """The answer to the runner's request for a job, from a GitLab at `address` (host:port)."""
        return {
            "id": self.id,
            "token": self.token,
            "allow_git_fetch": self.git_strategy != "clone",
            "job_info": self._job_info(),
            "git_info": self._git_info(address, scheme),
            "runner_info": {"timeout": self.timeout},
            "variables": [*self._predefined(f"{scheme}://{address}"), *self.variables],
            "steps": self._steps(),
            "image": _image(self.image),
            "services": [_image(service) for service in self.services],
            "artifacts": [_artifact(entry) for entry in self.artifacts],
            "cache": [{"policy": "pull-push", "when": "on_success", **entry} for entry in self.cache],
            "credentials": [],
            "hooks": [{"name": name, "script": script} for name, script in self.hooks.items()],
            "dependencies": [dependency.as_dependency() for dependency in self.dependencies],
            "features": {
                "trace_sections": True,
                "token_mask_prefixes": ["glcbt-"],
                "failure_reasons": _FAILURE_REASONS,
            },
        }

    def _job_info(self) -> dict[str, Any]:
        return {
            "name": "unit",
            "stage": "test",
            "project_id": self._project_id(),
            "project_name": self.project.rsplit("/", 1)[-1],
            "project_full_path": self.project,
            "time_in_queue_seconds": 1,
            "project_jobs_running_on_instance_runners_count": "0",
        }

    def _git_info(self, address: str, scheme: str) -> dict[str, Any]:
        return {
            "repo_url": f"{scheme}://gitlab-ci-token:{self.token}@{address}/{self.project}.git",
            "ref": self.ref,
            "sha": self.sha,
            "before_sha": "0" * 40,
            "ref_type": "branch",
            "refspecs": [f"+refs/heads/{self.ref}:refs/remotes/origin/{self.ref}"],
            "depth": self.depth,
            "protected": self.protected,
        }

    def _predefined(self, url: str) -> list[Variable]:
        return [
            variable("CI", "true"),
            variable("GITLAB_CI", "true"),
            variable("CI_SERVER_URL", url),
            variable("CI_JOB_ID", str(self.id)),
            variable("CI_JOB_NAME", "unit"),
            variable("CI_JOB_STAGE", "test"),
            variable("CI_PIPELINE_ID", "7"),
            variable("CI_JOB_TOKEN", self.token, masked=True),
            variable("CI_PROJECT_PATH", self.project),
            variable("CI_PROJECT_ID", str(self._project_id())),
            variable("CI_COMMIT_SHA", self.sha),
            variable("CI_COMMIT_REF_NAME", self.ref),
            variable("CI_COMMIT_REF_SLUG", self.ref),
            variable("GIT_STRATEGY", self.git_strategy),
        ]

    def _steps(self) -> list[dict[str, Any]]:
        scripts = {"script": self.script, **self.extra_steps}
        steps = [
            {"name": name, "script": script, "when": "on_success", "allow_failure": False}
            for name, script in scripts.items()
        ]
        if self.after_script:
            steps.append({"name": "after_script", "script": self.after_script, "when": "always", "allow_failure": True})
        return [{**step, "timeout": self.timeout} for step in steps]

    def _project_id(self) -> int:
        return zlib.crc32(self.project.encode())


@dataclass
class Upload:
    """One artifact as the helper sent it. `query` are the parameters of the request."""

    query: dict[str, str]
    filename: str
    content: bytes


@dataclass
class JobRecord:
    """A job at GitLab: what it answers about the job, and what it was told.

    `status` goes out as `Job-Status`: running, canceling (graceful) or canceled (hard).
    """

    job: Job
    response: dict[str, Any]
    status: str = "running"
    raw_trace: bytearray = field(default_factory=bytearray)
    uploads: list[Upload] = field(default_factory=list)
    state: str = ""
    failure_reason: str | None = None
    exit_code: int | None = None
    picked: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def finish(self, state: str, failure_reason: str | None, exit_code: int | None) -> None:
        """The runner has told the job's end."""
        self.state, self.failure_reason, self.exit_code = state, failure_reason, exit_code
        self.ended.set()

    def wait(self, seconds: float = 90) -> JobRecord:
        """Wait for the job's end."""
        if not self.ended.wait(seconds):
            raise AssertionError(f"job {self.job.id} did not end within {seconds} s:\n{self.trace}")
        return self

    def wait_for_output(self, text: str, seconds: float = 60) -> None:
        """Wait until the job log holds `text`."""
        deadline = time.monotonic() + seconds
        while text not in self.trace:
            if self.ended.is_set() or time.monotonic() > deadline:
                raise AssertionError(f"job {self.job.id} did not print {text!r}:\n{self.trace}")
            time.sleep(0.05)

    @property
    def trace(self) -> str:
        """The job log without colours and carriage returns."""
        return without_colours(bytes(self.raw_trace).decode(errors="replace"))

    @property
    def outcome(self) -> tuple[str, str | None, int | None]:
        """State, failure reason, exit code."""
        return self.state, self.failure_reason, self.exit_code

    def section(self, name: str) -> str:
        """What one section of the log holds, such as `step_script` or `prepare_executor`; "" where there is none."""
        return next(iter(sections(self.trace, name)), "")

    def as_dependency(self) -> dict[str, Any]:
        """This job in the `dependencies` of a later one."""
        archive = next(upload for upload in self.uploads if upload.query["artifact_type"] == "archive")
        file = {"filename": archive.filename, "size": len(archive.content)}
        return {"id": self.job.id, "token": self.job.token, "name": "unit", "artifacts_file": file}


def without_colours(text: str) -> str:
    """A job log as a person reads it: no escape sequences, carriage returns as line ends."""
    return _ESCAPES.sub("", text).replace("\r", "\n")


def sections(trace: str, name: str) -> list[str]:
    """The content of every section of that name, in order."""
    return re.findall(rf"section_start:\d+:{name}\n(.*?)section_end:\d+:{name}", trace, re.DOTALL)


def between(text: str, start: str = "<<<\n", end: str = ">>>\n") -> str:
    """The text between two marks that a script printed: see `marked`."""
    return text.split(start, 1)[1].split(end, 1)[0]


def marked(*commands: str) -> str:
    """Commands with marks around their output. The marks are split so that the echo of the command holds none."""
    return "\n".join(["printf '<%s\\n' '<<'", *commands, "printf '>%s\\n' '>>'"])


def _image(image: str | dict[str, Any]) -> dict[str, Any]:
    return {"name": image} if isinstance(image, str) else image


def _artifact(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "out",
        "when": "on_success",
        "artifact_type": "archive",
        "artifact_format": "zip",
        "expire_in": "1 day",
        **entry,
    }
