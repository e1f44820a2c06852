"""`executor exec` from its options to the results of all jobs."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from executor.errors import UsageError
from executor.job.model import Variable
from executor.pipeline.load import load_pipeline
from executor.pipeline.local.context import RunContext, with_image
from executor.pipeline.local.control import Control
from executor.pipeline.local.driver_settings import user_settings, write_driver_settings
from executor.pipeline.local.names import unique_file_names
from executor.pipeline.local.predefined import RunIdentity, now, pipeline_variables
from executor.pipeline.local.repository import changed_since, find_root, read_repository
from executor.pipeline.local.run_folder import create_run_folder, remove_run_folder
from executor.pipeline.local.run_jobs import JobsRun
from executor.pipeline.local.schedule import Schedule
from executor.pipeline.local.selection import select_jobs
from executor.pipeline.local.sources import count, deliver_sources, deliver_submodules
from executor.pipeline.local.words import Words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from executor.pipeline.local.display import Display
    from executor.pipeline.local.model import JobResult
    from executor.pipeline.local.repository import Repository
    from executor.pipeline.local.run_folder import RunFolder
    from executor.pipeline.model import Pipeline, PipelineJob

# Job ids are the pipeline's, then a number: a run never shares one with another run on this machine.
EPOCH_MILLISECONDS = 1_700_000_000_000
IDS_OF_A_RUN = 10_000
PROJECT_IDS = 2**31


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line. `jobs_at_once` 0 is one a core, two at least."""

    jobs: Sequence[str] = ()
    needs: bool = False
    variables: Sequence[Variable] = ()
    image: str = ""
    shell_on_failure: bool = False
    jobs_at_once: int = 0
    file: str = ".gitlab-ci.yml"
    config: str | None = None
    runner: str | None = None
    committed_only: bool = False


@dataclass(frozen=True, kw_only=True)
class LocalPipeline:
    """The pipeline of the repository at hand."""

    repository: Repository
    identity: RunIdentity
    variables: dict[str, str]
    pipeline: Pipeline


def read_pipeline(options: Options, start: Path) -> LocalPipeline:
    """The pipeline that GitLab would make for a push of the current commit. UsageError for an invalid file."""
    root = find_root(start)
    if not (root / options.file).is_file():
        raise UsageError(f"{root / options.file} does not exist.", fix="Name the pipeline's file with --file PATH.")
    repository = read_repository(root)
    identity = run_identity(root)
    variables = pipeline_variables(repository, identity, file=options.file)
    pipeline = load_pipeline(
        root,
        variables={**variables, **{entry.key: entry.value for entry in options.variables}},
        file=options.file,
        changes=lambda base: changed_since(root, base, repository.default_branch),
    )
    return LocalPipeline(repository=repository, identity=identity, variables=variables, pipeline=pipeline)


def run_pipeline(local: LocalPipeline, options: Options, display: Display) -> list[JobResult]:
    """Run the chosen jobs; every job's result. Containers, scripts and the run's folder are gone afterwards."""
    jobs, named = select_jobs(local.pipeline, options.jobs, needs=options.needs, file=options.file)
    if options.shell_on_failure and len(jobs) != 1:
        raise UsageError(f"--shell-on-failure takes one job, not {len(jobs)}.", fix="Name the job to enter.")
    settings = user_settings(options.config, options.runner)
    if options.image:
        jobs = [with_image(job, options.image) for job in jobs]
    schedule = Schedule(pipeline=local.pipeline, jobs=jobs, named=frozenset(named))
    control = Control()
    with _run_folder(local) as folder:
        write_driver_settings(settings, folder)
        deliver_sources(local.repository, folder.sources / "repository", committed_only=options.committed_only)
        deliver_submodules(local.repository, folder.sources / "submodules")
        context = RunContext(
            repository=local.repository,
            identity=local.identity,
            folder=folder,
            settings=settings,
            control=control,
            display=display,
            pipeline_variables=local.variables,
            overrides=options.variables,
            file_names=unique_file_names([job.name for job in local.pipeline.jobs]),
            committed_only=options.committed_only,
            shell_on_failure=options.shell_on_failure,
            job_ids=itertools.count(local.identity.pipeline_id * IDS_OF_A_RUN + 1),
        )
        for line in (*headline(local, jobs, options), *settings.warnings):
            display.say(line)
        with _interrupts(control, display), _moving(display, local.pipeline, jobs):
            return JobsRun(schedule, context, options.jobs_at_once or _default_jobs_at_once()).until_end()


def headline(local: LocalPipeline, jobs: Sequence[PipelineJob], options: Options) -> list[str]:
    """What runs, of which commit, and what the parser remarked on."""
    repository = local.repository
    name = repository.project_path.rpartition("/")[2]
    stages = count(len({job.stage for job in jobs}), "stage")
    changes = 0 if options.committed_only else len(repository.changed)
    extra = f" + {count(changes, 'uncommitted file')}" if changes else ""
    parts = [name, f"{count(len(jobs), 'job')} in {stages}", f"commit {repository.sha[:7]}{extra}"]
    return [f" {Words().separator} ".join(parts), *local.pipeline.remarks]


def run_identity(root: Path) -> RunIdentity:
    """New numbers for a run; the project's number is made of the repository's path."""
    digest = hashlib.sha256(os.fsencode(root)).digest()
    return RunIdentity(
        pipeline_id=time.time_ns() // 1_000_000 - EPOCH_MILLISECONDS,
        project_id=int.from_bytes(digest[:8], "big") % PROJECT_IDS + 1,
        created_at=now(),
    )


def _default_jobs_at_once() -> int:
    return max(2, len(os.sched_getaffinity(0)))


@contextlib.contextmanager
def _run_folder(local: LocalPipeline) -> Iterator[RunFolder]:
    folder = create_run_folder(local.repository.root, local.identity.pipeline_id)
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    remove_run_folder(folder)


@contextlib.contextmanager
def _moving(display: Display, pipeline: Pipeline, jobs: list[PipelineJob]) -> Iterator[None]:
    display.begin(pipeline.stages, jobs)
    try:
        yield
    finally:
        display.end()


@contextlib.contextmanager
def _interrupts(control: Control, display: Display) -> Iterator[None]:
    """Ctrl-C and SIGTERM become wishes to stop, while jobs run."""

    def interrupted(*_: object) -> None:
        if control.interrupt() == 1:
            display.say("Canceling: after_script and clean-up still run. Interrupt again to end at once.", "yellow")

    previous = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
