"""Facts that only the environment has: worth nothing as soon as the job could have written them."""

from __future__ import annotations

import pytest

from executor.job.environment import custom_environment, slot, trusted_short_token
from executor.job.model import Variable
from tests.unit.job.builders import job


def test_only_prefixed_variables_are_the_jobs() -> None:
    environ = {"CUSTOM_ENV_A": "1", "CUSTOM_ENV_CUSTOM_ENV_B": "2", "PATH": "/bin", "XCUSTOM_ENV_C": "3"}

    assert custom_environment(environ) == {"A": "1", "CUSTOM_ENV_B": "2"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0),
        ("17", 17),
        ("9999", 9999),
        ("10000", None),
        ("-1", None),
        ("1.0", None),
        ("", None),
        ("x", None),
        ("٣", None),
    ],
)
def test_slot(value: str, expected: int | None) -> None:
    assert slot({"CUSTOM_ENV_CI_CONCURRENT_PROJECT_ID": value}, job()) == expected


def test_a_slot_that_the_runner_did_not_send_is_unknown() -> None:
    assert slot({}, job()) is None


def test_a_job_cannot_choose_its_slot() -> None:
    forger = job(Variable(key="CI_CONCURRENT_PROJECT_ID", value="0"))

    assert slot({"CUSTOM_ENV_CI_CONCURRENT_PROJECT_ID": "0"}, forger) is None


def test_a_job_cannot_choose_its_slot_by_a_secret_either() -> None:
    """A secret of a store that the job's author fills takes the place of the runner's own variable."""
    environ = {"CUSTOM_ENV_CI_CONCURRENT_PROJECT_ID": "0", "CUSTOM_ENV_CI_RUNNER_SHORT_TOKEN": "abcDEF_12"}
    forger = job(secret_names=("CI_CONCURRENT_PROJECT_ID", "CI_RUNNER_SHORT_TOKEN"))

    assert (slot(environ, forger), trusted_short_token(environ, forger)) == (None, None)


def test_short_token() -> None:
    environ = {"CUSTOM_ENV_CI_RUNNER_SHORT_TOKEN": "abcDEF_12"}
    forger = job(Variable(key="CI_RUNNER_SHORT_TOKEN", value="abcDEF_12"))

    assert trusted_short_token(environ, job()) == "abcDEF_12"
    assert trusted_short_token(environ, forger) is None
    assert trusted_short_token({}, job()) is None
