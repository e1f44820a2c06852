"""Whether a job may start, has to wait, or never runs: GitLab's rules for stages, `needs` and `when`."""

from __future__ import annotations

from dataclasses import dataclass

from executor.pipeline.local.model import JobResult
from executor.pipeline.local.selection import artifact_sources, predecessors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executor.pipeline.model import Pipeline, PipelineJob


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The jobs of a run and who waits for whom. Jobs in `named` run even if they are manual."""

    pipeline: Pipeline
    jobs: Sequence[PipelineJob]
    named: frozenset[str] = frozenset()

    def decide(self, job: PipelineJob, results: Mapping[str, JobResult]) -> JobResult | bool:
        """True: start it. False: it has to wait. A result: it does not run, and why."""
        before = self._predecessors(job)
        if any(other not in results for other in before):
            return False
        return self._decide([results[other] for other in before], job)

    def dependencies(self, job: PipelineJob, results: Mapping[str, JobResult]) -> dict[str, JobResult]:
        """Results of the jobs that give this one artifacts or variables."""
        sources = artifact_sources(job, self.pipeline)
        found = {other.name: results[other.name] for other in sources if other.name in results}
        return {name: result for name, result in found.items() if result.archive or result.dotenv}

    def missing_artifacts(self, job: PipelineJob) -> list[str]:
        """Jobs that would give this one artifacts, but are no part of this run."""
        chosen = {other.name for other in self.jobs}
        return [
            other.name for other in artifact_sources(job, self.pipeline) if other.artifacts and other.name not in chosen
        ]

    def _predecessors(self, job: PipelineJob) -> list[str]:
        chosen = {other.name for other in self.jobs}
        return [other.name for other in predecessors(job, self.pipeline) if other.name in chosen]

    def _decide(self, before: list[JobResult], job: PipelineJob) -> JobResult | bool:
        if any(result.status == "canceled" for result in before):
            return JobResult(job=job, status="canceled", note="canceled")
        if job.when == "manual" and job.name not in self.named and not self._needed(job):
            return JobResult(job=job, status="manual", note=f"manual: executor exec {job.name}")
        if job.when == "always":
            return True
        obstacle = _obstacle(before, by_needs=job.needs is not None)
        if job.when != "on_failure":
            return JobResult(job=job, status="skipped", note=obstacle) if obstacle else True
        if any(result.status == "failed" for result in before):
            return True
        return JobResult(job=job, status="skipped", note="runs on failure only: nothing failed")

    def _needed(self, job: PipelineJob) -> bool:
        """Whether a named job needs this one: with --needs it is part of what the user asked for."""
        others = [other for other in self.jobs if other.needs is not None and self.named]
        return any(need.job == job.name for other in others for need in other.needs or ())


def _obstacle(before: list[JobResult], *, by_needs: bool) -> str:
    """Why a job that waits for success does not run, or ""."""
    for result in before:
        name = result.job.name
        if result.status == "failed":
            return f"{name} failed"
        if result.status == "manual" and (by_needs or not result.job.allow_failure):
            return f"waits for manual {name}"
        if result.status == "skipped" and (by_needs or result.job.when != "on_failure"):
            return f"{name} did not run"
    return ""
