"""Every folder of tests/cases/pipeline is a repository with a `.gitlab-ci.yml` and what has to come of it.

`expected.json` holds
  why        one sentence: what the case shows
  variables  the variables the pipeline starts with (default: branch main, source push)
  changes    changed paths by ref ("" is the default ref); without it changes are not known
  file       the configuration's name, if it is not `.gitlab-ci.yml`
  jobs       every job in order, each with the fields to compare (the others are not looked at)
  skipped    every skipped job with its reason
  remarks    every remark
  stages, name   compared where given
  error      instead of all these: the whole message of the error
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from executor.errors import UsageError
from executor.pipeline.load import load_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from executor.pipeline.model import Pipeline, PipelineJob

CASES = Path(__file__).parents[2] / "cases" / "pipeline"
BRANCH = {"CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main", "CI_PIPELINE_SOURCE": "push"}


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir() if path.is_dir()))
def test_case(case: str) -> None:
    expected = json.loads((CASES / case / "expected.json").read_text())
    if "error" in expected:
        with pytest.raises(UsageError) as caught:
            load(CASES / case, expected)
        assert caught.value.one_line() == expected["error"]
        return
    check(load(CASES / case, expected), expected)


def load(root: Path, expected: dict[str, Any]) -> Pipeline:
    return load_pipeline(
        root,
        variables=expected.get("variables", BRANCH),
        file=expected.get("file", ".gitlab-ci.yml"),
        changes=changes_of(expected.get("changes")),
    )


def changes_of(paths: dict[str, list[str]] | None) -> Callable[[str | None], Sequence[str]] | None:
    return None if paths is None else lambda ref: paths[ref or ""]


def check(pipeline: Pipeline, expected: dict[str, Any]) -> None:
    assert [job.name for job in pipeline.jobs] == list(expected["jobs"])
    for job in pipeline.jobs:
        wanted = expected["jobs"][job.name]
        assert {key: plain(job)[key] for key in wanted} == wanted, job.name
    assert pipeline.skipped == expected.get("skipped", {})
    assert list(pipeline.remarks) == expected.get("remarks", [])
    assert pipeline.name == expected.get("name", "")
    if "stages" in expected:
        assert list(pipeline.stages) == expected["stages"]


def plain(job: PipelineJob) -> dict[str, Any]:
    """The job as JSON would hold it; positions as `file:line`."""
    fields = asdict(job) | {
        "position": str(job.position),
        "script_positions": [str(at) for at in job.script_positions],
        "raw_variables": sorted(job.raw_variables),
    }
    return json.loads(json.dumps(fields))  # type: ignore[no-any-return]
