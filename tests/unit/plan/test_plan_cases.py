"""A folder a case: a job as a runner hands it over, an operator's config.toml, and what comes of the two.

`expected.json` holds the part of the plan that the case is about (see `executor.plan.summary`), or the error.
`environment.json` holds variables that the runner adds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from executor import errors
from executor.job.environment import PREFIX, slot
from executor.job.response import load_job
from executor.job.variables import job_variables
from executor.plan.model import Host
from executor.plan.plan import make_plan
from executor.plan.summary import summary
from executor.settings.load import load_settings
from tests.unit.plan.builders import ADDED

CASES = sorted(path for path in (Path(__file__).parents[2] / "cases" / "plan").iterdir() if path.is_dir())


def read(path: Path) -> Any:
    return json.loads(path.read_text()) if path.exists() else {}


def plan_of(case: Path) -> dict[str, Any]:
    """The summary of the case's plan."""
    environment = ADDED | {"CI_CONCURRENT_PROJECT_ID": "0"} | read(case / "environment.json")
    job = load_job(str(case / "response.json"), environment)
    settings = load_settings(config=str(case / "config.toml"))
    host = Host(
        key=f"{job.id}-case",
        job_dir="/state/jobs/case",
        builds_host_dir="/host/builds",
        cache_host_dir="/host/cache",
        reusable_builds=False,
        slot=slot({PREFIX + key: value for key, value in environment.items()}, job),
        gitlab_runner="/usr/bin/gitlab-runner",
        variables=job_variables(job, environment),
        cpus=4,
        memory=8 * 1024**3,
        platform="linux/amd64",
    )
    return summary(make_plan(job, settings, host))


def assert_within(expected: Any, actual: Any, where: str) -> None:
    """Every key of `expected` is in `actual`; lists are of the same length, other values the same."""
    if isinstance(expected, dict) and expected:
        for key, value in expected.items():
            assert key in actual, f"{where}.{key} is missing"
            assert_within(value, actual[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(expected) == len(actual), f"{where} has {len(actual)} entries: {actual}"
        for index, value in enumerate(expected):
            assert_within(value, actual[index], f"{where}[{index}]")
    else:
        assert actual == expected, f"{where} is {actual!r}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Path) -> None:
    expected = read(case / "expected.json")
    if "error" in expected:
        with pytest.raises(getattr(errors, expected["error"])) as failure:
            plan_of(case)
        assert failure.value.what == expected["what"]
        return

    made = plan_of(case)

    assert_within(expected, made, "plan")
    for secret in (
        variable["value"] for variable in read(case / "response.json")["variables"] if variable.get("masked")
    ):
        assert secret not in json.dumps(made)
