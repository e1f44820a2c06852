"""How long a failed job's containers stay: what the job asks for, never more than the operator allows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from executor.job.model import Variable
from executor.job.variables import job_variables
from executor.plan.model import Plan
from executor.plan.plan import make_plan
from executor.settings.model import DockerSettings, KeepSettings, RunnerSettings, Settings
from tests.unit.job.builders import job
from tests.unit.plan.builders import ADDED, HOST


def plan(asked: str | None, on_failure: str = "", most: str = "") -> Plan:
    variables = () if asked is None else (Variable(key="VIRIDA_KEEP_ON_FAILURE", value=asked, public=True),)
    wanted = replace(job(), variables=variables)
    settings = Settings(
        runner=RunnerSettings(docker=DockerSettings(image="debian:12")),
        keep=KeepSettings(on_failure=on_failure, max=most),
    )
    return make_plan(wanted, settings, replace(HOST, variables=job_variables(wanted, ADDED)))


@pytest.mark.parametrize(
    ("asked", "on_failure", "most", "seconds"),
    [
        pytest.param(None, "", "", 0, id="nobody wants it"),
        pytest.param(None, "", "2h", 0, id="allowed, not asked for"),
        pytest.param("30m", "", "2h", 1800, id="asked for and allowed"),
        pytest.param(None, "30m", "", 1800, id="the operator's for every job"),
        pytest.param("10m", "30m", "", 600, id="a job may ask for less"),
        pytest.param("0", "30m", "2h", 0, id="a job may do without"),
        pytest.param("", "30m", "2h", 1800, id="an empty variable asks for nothing"),
        pytest.param(None, "3h", "2h", 7200, id="max holds for the operator's own word"),
    ],
)
def test_within_bounds(asked: str | None, on_failure: str, most: str, seconds: int) -> None:
    made = plan(asked, on_failure, most)

    assert (made.keep_seconds, made.warnings) == (seconds, ())


@pytest.mark.parametrize(
    ("asked", "on_failure", "most", "seconds", "warning"),
    [
        pytest.param("3h", "", "2h", 7200, "more than the 2h", id="more than allowed"),
        pytest.param("1h", "30m", "", 1800, "more than the 30m", id="more than the only bound"),
        pytest.param("30m", "", "", 0, "not allowed here", id="the operator said nothing"),
        pytest.param("30m", "10m", "0", 0, "not allowed here", id="the operator said no"),
        pytest.param("a while", "30m", "2h", 0, "not a span of time", id="no span of time"),
        pytest.param("9" * 100_000, "30m", "2h", 0, "not a span of time", id="a very long one"),
    ],
)
def test_asked_in_vain(asked: str, on_failure: str, most: str, seconds: int, warning: str) -> None:
    made = plan(asked, on_failure, most)

    assert made.keep_seconds == seconds
    assert len(made.warnings) == 1
    assert warning in made.warnings[0]
    assert len(made.warnings[0]) < 120
