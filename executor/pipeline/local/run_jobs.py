"""Runs the jobs of a schedule, as many at once as wanted."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass

from executor.errors import ExecutorError
from executor.pipeline.local.job_run import run_job
from executor.pipeline.local.model import Failure, JobResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.pipeline.local.context import RunContext
    from executor.pipeline.local.schedule import Schedule
    from executor.pipeline.model import PipelineJob

WAKE_SECONDS = 0.5


class JobsRun:
    """The state of a run: what waits, what runs, what has ended."""

    def __init__(self, schedule: Schedule, context: RunContext, at_once: int, run: RunJob = run_job) -> None:
        self._schedule = schedule
        self._context = context
        self._run = run
        self._free_slots = list(range(at_once))
        self._waiting = list(schedule.jobs)
        self._running: dict[str, threading.Thread] = {}
        self._ended: queue.Queue[tuple[int, JobResult | _Fault]] = queue.Queue()
        self._results: dict[str, JobResult] = {}

    def until_end(self) -> list[JobResult]:
        """Every job's result, in the order of the schedule. A fault of our own is raised once all jobs have ended."""
        faults: list[BaseException] = []
        while self._waiting or self._running:
            self._start_what_may()
            if self._running:
                faults += self._take_result()
        if faults:
            raise faults[0]
        return [self._results[job.name] for job in self._schedule.jobs]

    def _start_what_may(self) -> None:
        """Start jobs and settle those that never run, until neither is possible: one may decide the other."""
        progress = True
        while progress:
            settled = [job for job in list(self._waiting) if self._consider(job)]
            progress = bool(settled)

    def _consider(self, job: PipelineJob) -> bool:
        if self._context.control.canceled:
            self._settle(JobResult(job=job, status="canceled", note="canceled"))
            return True
        decision = self._schedule.decide(job, self._results)
        if isinstance(decision, JobResult):
            self._settle(decision)
            return True
        if not decision or not self._free_slots:
            return False
        self._start(job)
        return True

    def _settle(self, result: JobResult) -> None:
        self._waiting.remove(result.job)
        self._results[result.job.name] = result
        self._context.display.job_ended(result)

    def _start(self, job: PipelineJob) -> None:
        self._waiting.remove(job)
        slot = self._free_slots.pop(0)
        self._context.display.job_started(job)
        if job.when == "delayed":
            self._context.display.line(job.name, "Delayed jobs start at once here")
        for name in self._schedule.missing_artifacts(job):
            self._context.display.line(
                job.name, f"WARNING: no artifacts of {name}, which is not part of this run (--needs runs it first)"
            )
        dependencies = self._schedule.dependencies(job, self._results)
        thread = threading.Thread(target=self._in_thread, args=(job, slot, dependencies), name=job.name)
        self._running[job.name] = thread
        thread.start()

    def _in_thread(self, job: PipelineJob, slot: int, dependencies: dict[str, JobResult]) -> None:
        try:
            result: JobResult | _Fault = self._run(job, self._context, slot, dependencies)
        except ExecutorError as error:
            failure = Failure(reason="runner_system_failure", message=error.one_line())
            result = JobResult(job=job, status="failed", failure=failure)
        except BaseException as error:
            result = _Fault(job=job, error=error)
        self._ended.put((slot, result))

    def _take_result(self) -> list[BaseException]:
        """Wait for a job to end, but not so long that an interrupt has to wait too."""
        try:
            slot, result = self._ended.get(timeout=WAKE_SECONDS)
        except queue.Empty:
            return []
        self._free_slots = sorted([*self._free_slots, slot])
        self._running.pop(result.job.name).join()
        known = JobResult(job=result.job, status="failed") if isinstance(result, _Fault) else result
        self._results[known.job.name] = known
        self._context.display.job_ended(known)
        return [result.error] if isinstance(result, _Fault) else []


@dataclass(frozen=True, kw_only=True)
class _Fault:
    """An error that nobody foresaw, and the job it struck."""

    job: PipelineJob
    error: BaseException


if TYPE_CHECKING:
    RunJob = Callable[[PipelineJob, RunContext, int, dict[str, JobResult]], JobResult]
