"""One try of a job: its stages in the runner's order, and on the runner's conditions."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from executor.pipeline.local import artifacts, caching, scripts
from executor.pipeline.local.attempt import Attempt, stopped
from executor.pipeline.local.control import JobClock, parse_go_duration
from executor.pipeline.local.model import Failure, JobEnded, StageFailed
from executor.pipeline.local.sources import describe_sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from executor.pipeline.local.context import RunContext
    from executor.pipeline.local.log import JobLog
    from executor.pipeline.local.response import JobRequest

PREPARE_ATTEMPTS = 3
RETRY_SECONDS = 3.0
AFTER_SCRIPT_SECONDS = 300.0
BEFORE_SCRIPT = ("get_sources", "restore_cache", "download_artifacts")
JOB_STATUS = {"job_canceled": "canceled", "job_execution_timeout": "timedout"}


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What the caller wants to do in between. `script_failed` gets the attempt whose containers still live."""

    script_failed: Callable[[Attempt], None]


class JobTry:
    """Runs the stages of one job once."""

    def __init__(self, request: JobRequest, context: RunContext, slot: int, log: JobLog, hooks: Hooks) -> None:
        self._request = request
        self._job = request.job
        self._context = context
        self._slot = slot
        self._log = log
        self._hooks = hooks
        self._clock = JobClock(context.control, request.timeout)
        self.cpu_seconds: float | None = None

    def run(self) -> Failure | None:
        """Why the job failed, or None. Containers and TMPDIR are gone afterwards, whatever happened."""
        try:
            with self._section("prepare_executor"):
                attempt = self._prepared()
        except StageFailed as error:
            return error.failure
        try:
            return self._stages(attempt)
        except StageFailed as error:
            return error.failure
        finally:
            self.cpu_seconds = attempt.cpu_seconds()
            attempt.close()

    def _prepared(self) -> Attempt:
        """An attempt whose containers are up; system failures are tried again, each time with a new TMPDIR."""
        for number in range(1, PREPARE_ATTEMPTS + 1):
            try:
                return self._prepare_once()
            except StageFailed as error:
                if error.failure.reason != "runner_system_failure" or number == PREPARE_ATTEMPTS:
                    raise
                self._log.say(f"Preparation failed: {error.failure.message}")
                self._log.say("Will be retried in 3s ...")
            self._context.control.changed.wait(RETRY_SECONDS)
        raise AssertionError("the last attempt returns or raises")

    def _prepare_once(self) -> Attempt:
        context = self._context
        attempt = Attempt(self._request, context.settings.runner, context.folder.config_file, self._slot, self._log)
        try:
            attempt.configure(self._clock.before_script)
            attempt.prepare(self._clock.before_script)
        except BaseException:
            attempt.close()
            raise
        return attempt

    def _stages(self, attempt: Attempt) -> Failure | None:
        self._run(attempt, "prepare_script", scripts.prepare_script(attempt.known_paths), self._clock.before_script)
        failure = self._caught(lambda: self._before_script(attempt))
        if not failure:
            failure = self._user_scripts(attempt)
        failure = self._save(attempt, failure) or failure
        with contextlib.suppress(StageFailed):
            script = scripts.cleanup_file_variables(attempt.known_paths, attempt.variables())
            self._run(attempt, "cleanup_file_variables", script, self._clock.ended)
        return failure

    def _before_script(self, attempt: Attempt) -> None:
        """Sources, caches and artifacts of other jobs."""
        stop = self._clock.before_script
        self._run(attempt, "get_sources", self._get_sources(attempt), stop)
        caches = self._caches(attempt)
        if caches:
            facts = f"{artifacts.exchange_folder(self._request.job_id)}/cache"
            script = caching.restore_cache(attempt.known_paths, attempt.variables(), caches, facts=facts)
            self._run(attempt, "restore_cache", script, stop)
        dependencies = self._request.dependencies
        if dependencies:
            script = artifacts.download_artifacts(attempt.known_paths, attempt.variables(), dependencies)
            self._run(attempt, "download_artifacts", script, stop)

    def _get_sources(self, attempt: Attempt) -> str:
        context = self._context
        return scripts.get_sources(
            attempt.known_paths,
            attempt.variables(),
            strategy=attempt.expand("$GIT_STRATEGY"),
            summary=describe_sources(context.repository, committed_only=context.committed_only),
            submodules=attempt.expand("$GIT_SUBMODULE_STRATEGY") in ("normal", "recursive"),
            hook=self._job.pre_get_sources_script,
        )

    def _user_scripts(self, attempt: Attempt) -> Failure | None:
        """The script, then after_script, which cannot change the outcome."""
        lines = [*self._job.before_script, *self._job.script]
        script = scripts.user_script(attempt.known_paths, attempt.variables(), lines)
        limit = parse_go_duration(attempt.expand("$RUNNER_SCRIPT_TIMEOUT"))
        failure = self._caught(lambda: self._run(attempt, "step_script", script, self._clock.during_script(limit)))
        attempt.job_status = JOB_STATUS.get(failure.reason, "failed") if failure else "success"
        if failure and failure.reason == "script_failure":
            self._hooks.script_failed(attempt)
        if self._job.after_script:
            self._after_script(attempt)
        return failure

    def _after_script(self, attempt: Attempt) -> None:
        script = scripts.user_script(
            attempt.known_paths, attempt.variables(), self._job.after_script, heading="Running after script..."
        )
        limit = parse_go_duration(attempt.expand("$RUNNER_AFTER_SCRIPT_TIMEOUT")) or AFTER_SCRIPT_SECONDS
        try:
            self._run(attempt, "after_script", script, self._clock.after_script(limit))
        except JobEnded:
            raise
        except StageFailed as error:
            self._log.say(f"WARNING: after_script failed, but job will continue unaffected: {error.failure.message}")

    def _save(self, attempt: Attempt, failure: Failure | None) -> Failure | None:
        """Caches and artifacts, as the outcome decides. A failing upload fails an otherwise good job."""
        succeeded = failure is None
        caches = [
            cache for cache in self._caches(attempt) if cache.policy == "pull" or cache.saves(succeeded=succeeded)
        ]
        errors = []
        if any(cache.saves(succeeded=succeeded) for cache in caches):
            script = caching.archive_cache(attempt.known_paths, attempt.variables(), caches)
            stage = "archive_cache" if succeeded else "archive_cache_on_failure"
            errors.append(self._caught(lambda: self._run(attempt, stage, script, self._clock.ended)))
        errors.append(self._caught(lambda: self._upload(attempt, succeeded=succeeded)))
        return next((error for error in errors if error), None) if succeeded else None

    def _upload(self, attempt: Attempt, *, succeeded: bool) -> None:
        spec = self._job.artifacts
        if not spec:
            return
        archive = artifacts.archive_wanted(spec, succeeded=succeeded)
        if archive or spec.reports:
            expanded = artifacts.expand_spec(spec, attempt.expand)
            script = artifacts.upload_artifacts(
                attempt.known_paths, attempt.variables(), expanded, self._request.job_id, archive=archive
            )
            stage = "upload_artifacts_on_success" if succeeded else "upload_artifacts_on_failure"
            self._run(attempt, stage, script, self._clock.ended)

    def _caches(self, attempt: Attempt) -> Sequence[caching.Cache]:
        return [caching.expand_paths(cache, attempt.expand) for cache in self._request.caches]

    def _caught(self, action: Callable[[], None]) -> Failure | None:
        """The failure of a stage that later stages have to know of; what ends the job at once goes through."""
        try:
            action()
        except JobEnded:
            raise
        except StageFailed as error:
            return error.failure
        return None

    def _run(self, attempt: Attempt, stage: str, script: str, should_stop: Callable[[], str]) -> None:
        """One stage in its section of the log. JobEnded where nothing but the clean-up may follow."""
        reason = should_stop()
        if reason:
            raise JobEnded(stopped(reason, stage))
        with self._section(stage):
            try:
                attempt.run(stage, script, should_stop)
            except StageFailed as error:
                if self._is_over(stage):
                    raise JobEnded(error.failure) from None
                raise

    def _is_over(self, stage: str) -> bool:
        """Whether a stage that was stopped takes the whole job with it."""
        canceled_early = self._context.control.canceled and stage in ("prepare_script", *BEFORE_SCRIPT)
        return bool(self._clock.ended()) or canceled_early

    @contextlib.contextmanager
    def _section(self, name: str) -> Iterator[None]:
        self._log.begin(name)
        try:
            yield
        finally:
            self._log.end(name)
