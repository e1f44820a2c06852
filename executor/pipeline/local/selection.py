"""Which jobs of the pipeline run: all, or those named, with what they need or without."""

from __future__ import annotations

import fnmatch
from difflib import get_close_matches

from executor.errors import UsageError
from executor.pipeline.local.predefined import group_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from executor.pipeline.model import Pipeline, PipelineJob


def select_jobs(
    pipeline: Pipeline, words: Sequence[str], *, needs: bool, file: str
) -> tuple[list[PipelineJob], set[str]]:
    """The jobs to run in the pipeline's order, and the names of those that the user asked for.

    `words` are names, names without their parallel part, or globs; none is the whole pipeline. UsageError for a word
    that matches nothing, or a job whose rules keep it out.
    """
    if not words:
        return list(pipeline.jobs), set()
    named = {name for word in words for name in _matching(pipeline, word, file)}
    chosen = _with_needs(pipeline, named) if needs else named
    return [job for job in pipeline.jobs if job.name in chosen], named


def predecessors(job: PipelineJob, pipeline: Pipeline) -> list[PipelineJob]:
    """The jobs that have to end before this one may start: its needs, or all of earlier stages."""
    if job.needs is not None:
        needed = {need.job for need in job.needs}
        return [other for other in pipeline.jobs if other.name in needed]
    position = pipeline.stages.index(job.stage)
    return [other for other in pipeline.jobs if pipeline.stages.index(other.stage) < position]


def artifact_sources(job: PipelineJob, pipeline: Pipeline) -> list[PipelineJob]:
    """The jobs whose artifacts and dotenv variables this one gets."""
    if job.dependencies is not None:
        named = set(job.dependencies)
        return [other for other in pipeline.jobs if other.name in named or group_name(other.name) in named]
    if job.needs is not None:
        needed = {need.job for need in job.needs if need.artifacts}
        return [other for other in pipeline.jobs if other.name in needed]
    return predecessors(job, pipeline)


def _matching(pipeline: Pipeline, word: str, file: str) -> list[str]:
    names = [job.name for job in pipeline.jobs]
    if word in names:
        return [word]
    found = [name for name in names if group_name(name) == word] or fnmatch.filter(names, word)
    if found:
        return found
    if word in pipeline.skipped:
        raise UsageError(
            f"`{word}` is not in this pipeline: {pipeline.skipped[word]}.", fix="Set what its rules ask for."
        )
    raise _unknown_job(word, [*names, *pipeline.skipped], file)


def _unknown_job(word: str, names: Iterable[str], file: str) -> UsageError:
    known = list(names)
    # Punctuation is what one mistypes in `stage:part` names: compare without it.
    plain = {"".join(filter(str.isalnum, name)).lower(): name for name in known}
    close = get_close_matches("".join(filter(str.isalnum, word)).lower(), list(plain), n=1, cutoff=0.6)
    hint = f"Did you mean {plain[close[0]]}?" if close else ""
    return UsageError(
        f"no job matches `{word}` in {file}.", cause=hint, fix=f"`executor exec --list` shows all {len(known)}."
    )


def _with_needs(pipeline: Pipeline, named: set[str]) -> set[str]:
    """The named jobs and all that have to run before them. Manual jobs count only where `needs:` names them."""
    jobs = {job.name: job for job in pipeline.jobs}
    chosen: set[str] = set()
    waiting = list(named)
    while waiting:
        job = jobs[waiting.pop()]
        if job.name not in chosen:
            chosen.add(job.name)
            before = predecessors(job, pipeline)
            waiting += [other.name for other in before if job.needs is not None or other.when != "manual"]
    return chosen
