"""One job from its start to its result, retries included."""

from __future__ import annotations

import time
from dataclasses import replace

from executor.job.variables import expand
from executor.pipeline.local import artifacts
from executor.pipeline.local.caching import resolve_cache
from executor.pipeline.local.commands import CommandTracker
from executor.pipeline.local.job_try import Hooks, JobTry
from executor.pipeline.local.log import JobLog
from executor.pipeline.local.model import Failure, JobResult
from executor.pipeline.local.response import JobRequest
from executor.pipeline.local.shell import GREEN, RED
from executor.pipeline.local.shell_on_failure import open_shell
from executor.pipeline.local.unpacking import unpack
from executor.pipeline.local.variables import stage_variables, values
from executor.pipeline.local.versions import version_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from executor.pipeline.local.attempt import Attempt
    from executor.pipeline.local.context import RunContext
    from executor.pipeline.local.model import FailedCommand, Status
    from executor.pipeline.model import PipelineJob, RetrySpec

DEFAULT_TIMEOUT = 3600


def run_job(job: PipelineJob, context: RunContext, slot: int, dependencies: Mapping[str, JobResult]) -> JobResult:
    """Run the job until it passes or has no try left. `dependencies` are the jobs whose artifacts it gets."""
    started = time.monotonic()
    tries = 0
    while True:
        tries += 1
        result = _Run(job, context, slot, dependencies).once()
        again = result.failure and should_retry(result.failure, job.retry, tries)
        if not again or context.control.canceled:
            return replace(result, seconds=time.monotonic() - started, tries=tries)
        context.display.line(job.name, f"Retrying {job.name} ({tries} of {job.retry.max})")


def should_retry(failure: Failure, retry: RetrySpec, tries: int) -> bool:
    """Whether `retry:` gives the job another try after its `tries`-th."""
    if tries > retry.max or failure.reason == "job_canceled":
        return False
    if not retry.when and not retry.exit_codes:
        return True
    words = {"always", failure.reason, *(["unknown_failure"] if failure.reason == "runner_system_failure" else [])}
    return bool(words & set(retry.when)) or failure.exit_code in retry.exit_codes


def status_of(failure: Failure | None, allow_failure: bool | tuple[int, ...]) -> Status:
    """What the outcome counts as."""
    if failure is None:
        return "passed"
    if failure.reason == "job_canceled":
        return "canceled"
    allowed = allow_failure if isinstance(allow_failure, bool) else failure.exit_code in allow_failure
    return "warned" if allowed else "failed"


class _Run:
    """A try of the job and what is made of its end."""

    def __init__(self, job: PipelineJob, context: RunContext, slot: int, dependencies: Mapping[str, JobResult]) -> None:
        self._job = job
        self._context = context
        self._slot = slot
        self._name = context.file_names[job.name]
        self._job_id = next(context.job_ids)
        self._exchange = context.folder.exchange(self._job_id)
        self._tracker = CommandTracker(job)
        self._request = self._make_request(dependencies)
        secrets = [variable.value for variable in self._request.variables if variable.masked]
        self._log = JobLog(context.folder.log(self._name), self._show, secrets)

    def once(self) -> JobResult:
        """Run the job once."""
        self._log.say(f"Running {self._job.name} with executor exec")
        try:
            hooks = Hooks(script_failed=self._script_failed)
            one_try = JobTry(self._request, self._context, self._slot, self._log, hooks)
            failure = one_try.run()
            failure = in_words(failure, self._request.timeout) if failure else None
            self._keep_artifacts()
            self._say_end(failure)
        finally:
            self._log.close()
        return JobResult(
            job=self._job,
            status=status_of(failure, self._job.allow_failure),
            failure=failure,
            command=self._failed_command(failure),
            cache=self._cache_facts(),
            cpu_seconds=one_try.cpu_seconds,
            log=self._log.path,
            dotenv=artifacts.read_dotenv(self._exchange / artifacts.DOTENV),
            archive=self._archive(),
        )

    def _make_request(self, dependencies: Mapping[str, JobResult]) -> JobRequest:
        context, job = self._context, self._job
        dotenv = {key: value for result in dependencies.values() for key, value in result.dotenv.items()}
        variables = context.variables_of(job, self._job_id, dotenv)
        known = values(stage_variables(variables, None, {}), None)
        return JobRequest(
            job=job,
            job_id=self._job_id,
            timeout=job.timeout or DEFAULT_TIMEOUT,
            repository=context.repository,
            run=context.identity,
            variables=variables,
            caches=[
                resolve_cache(
                    spec,
                    expand=lambda text: expand(text, known),
                    version_of=lambda path: version_of(context.repository, path, committed_only=context.committed_only),
                    fallback=known.get("CACHE_FALLBACK_KEY", ""),
                )
                for spec in job.cache
                if spec.paths or spec.untracked
            ],
            dependencies={
                name: int(result.archive.parent.name) for name, result in dependencies.items() if result.archive
            },
        )

    def _show(self, line: str) -> None:
        self._tracker.see(line)
        self._context.display.line(self._job.name, line)

    def _script_failed(self, attempt: Attempt) -> None:
        if self._context.shell_on_failure:
            with self._context.display.paused():
                open_shell(attempt)

    def _say_end(self, failure: Failure | None) -> None:
        if failure is None:
            self._log.say("Job succeeded", GREEN)
        else:
            kind = " (system failure)" if failure.reason == "runner_system_failure" else ""
            self._log.say(f"ERROR: Job failed{kind}: {failure.message}", RED)

    def _failed_command(self, failure: Failure | None) -> FailedCommand | None:
        return self._tracker.current() if failure and failure.stage == "step_script" else None

    def _archive(self) -> Path | None:
        path = self._exchange / artifacts.ARCHIVE
        return path if path.exists() else None

    def _keep_artifacts(self) -> None:
        target = self._context.folder.artifacts(self._name)
        artifacts.clear(target)
        for name in (artifacts.ARCHIVE, artifacts.REPORTS):
            archive = self._exchange / name
            refused = unpack(archive, target) if archive.exists() else []
            for member in refused:
                self._log.say(f"WARNING: {member} is left out of {target}: it leads out of the folder")

    def _cache_facts(self) -> str:
        """`hit`, `miss` or, for several caches, how many were hit."""
        path = self._exchange / "cache"
        facts = [line.partition(" ")[0] for line in path.read_text().splitlines()] if path.exists() else []
        if len(facts) <= 1:
            return "".join(facts)
        return f"{facts.count('hit')} of {len(facts)} hit"


def in_words(failure: Failure, timeout: int) -> Failure:
    """The failure with the runner's words as its message. `timeout` in seconds."""
    words = {"job_execution_timeout": f"execution took longer than {timeout} seconds", "job_canceled": "canceled"}
    return replace(failure, message=words.get(failure.reason, failure.message))
