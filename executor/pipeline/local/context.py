"""What all jobs of one `executor exec` share."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

from executor.job.model import Variable
from executor.pipeline.local.predefined import environment_variables, job_variables
from executor.pipeline.local.variables import resolve, stage_variables, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from executor.pipeline.local.control import Control
    from executor.pipeline.local.display import Display
    from executor.pipeline.local.predefined import RunIdentity
    from executor.pipeline.local.repository import Repository
    from executor.pipeline.local.run_folder import RunFolder
    from executor.pipeline.model import PipelineJob
    from executor.settings.model import Settings

IDS_OF_A_RUN = 1000


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """One run. `pipeline_variables` are the predefined ones, `overrides` those of the command line.

    `file_names` gives each job's name for logs and folders; `job_ids` counts up, retries included.
    """

    repository: Repository
    identity: RunIdentity
    folder: RunFolder
    settings: Settings
    control: Control
    display: Display
    pipeline_variables: Mapping[str, str]
    overrides: Sequence[Variable]
    file_names: Mapping[str, str]
    committed_only: bool = False
    shell_on_failure: bool = False
    job_ids: Iterator[int] = field(default_factory=itertools.count)

    def variables_of(self, job: PipelineJob, job_id: int, dotenv: Mapping[str, str]) -> tuple[Variable, ...]:
        """What GitLab would send for the job, with what other jobs handed on."""
        late = [*(Variable(key=key, value=value) for key, value in dotenv.items()), *self.overrides]
        return given_variables(
            job,
            job_id,
            repository=self.repository,
            shared=self.pipeline_variables,
            late=late,
        )


def given_variables(
    job: PipelineJob,
    job_id: int,
    *,
    repository: Repository,
    shared: Mapping[str, str],
    late: Sequence[Variable] = (),
) -> tuple[Variable, ...]:
    """What GitLab would send for the job: in order of precedence, each key once, references replaced.

    `shared` are the predefined variables of the pipeline, `late` those that win over the job's own.
    """
    predefined = {**shared, **job_variables(job, job_id, url=repository.url)}
    given = [
        *(Variable(key=key, value=value, public=True, raw=True) for key, value in predefined.items()),
        *_of_yaml(job),
        *late,
    ]
    return resolve([*_of_environment(job, given), *given])


def _of_environment(job: PipelineJob, given: Sequence[Variable]) -> list[Variable]:
    known = values(stage_variables(resolve(given), None, {}), None)
    pairs = environment_variables(job.environment, known)
    return [Variable(key=key, value=value, public=True) for key, value in pairs.items()]


def _of_yaml(job: PipelineJob) -> list[Variable]:
    return [
        Variable(key=key, value=value, public=True, raw=key in job.raw_variables)
        for key, value in job.variables.items()
    ]


def with_image(job: PipelineJob, image: str) -> PipelineJob:
    """The job in another image."""
    from executor.pipeline.model import ImageSpec

    current = job.image or ImageSpec(name=image)
    return replace(job, image=replace(current, name=image))
