"""`executor exec --list`: the jobs of the pipeline, and those that are not part of it."""

from __future__ import annotations

from typing import Any

from executor.pipeline.local.summary import aligned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.pipeline.model import Pipeline, PipelineJob


def list_lines(pipeline: Pipeline) -> list[str]:
    """A table of all jobs; the last column says why a job does not run."""
    rows = [_row(job) for job in pipeline.jobs]
    rows += [["", name, "", "", "", reason] for name, reason in pipeline.skipped.items()]
    titles = ["Stage", "Job", "When", "Needs", "Image", "Not run because"]
    kept = [index for index in range(len(titles)) if index < 3 or any(row[index] for row in rows)]
    return aligned([(titles[index], [row[index] for row in rows]) for index in kept])


def list_json(pipeline: Pipeline) -> dict[str, Any]:
    """The same for machines. `needs` null: all jobs of earlier stages."""
    jobs = [
        {
            "name": job.name,
            "stage": job.stage,
            "when": job.when,
            "needs": None if job.needs is None else [need.job for need in job.needs],
            "image": job.image.name if job.image else None,
            "allow_failure": job.allow_failure,
            "file": job.position.file,
            "line": job.position.line,
        }
        for job in pipeline.jobs
    ]
    skipped = [{"name": name, "reason": reason} for name, reason in pipeline.skipped.items()]
    return {"stages": list(pipeline.stages), "jobs": jobs, "skipped": skipped}


def _row(job: PipelineJob) -> list[str]:
    needs = ", ".join(need.job for need in job.needs) if job.needs else ""
    if job.needs == ():
        needs = "nothing"
    note = "manual: name it to run it" if job.when == "manual" else ""
    return [job.stage, job.name, job.when, needs, job.image.name if job.image else "", note]
