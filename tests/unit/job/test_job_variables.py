"""Expansion is the runner's, to the letter: a name must mean here what it means there."""

from __future__ import annotations

import pytest

from executor.job.model import Variable
from executor.job.variables import expand, job_variables, parse_bool
from tests.unit.job.builders import job

VARIABLES = {"NAME": "value", "NAME_2": "other", "REFERENCE": "$NAME", "1": "one", "A-B": "odd", "empty": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$NAME", "value"),
        ("${NAME}", "value"),
        ("a$NAME-b", "avalue-b"),
        ("$NAME_2$NAME", "othervalue"),
        ("$NAMES", ""),
        ("[$UNKNOWN] [${UNKNOWN}]", "[] []"),
        ("$REFERENCE", "$NAME"),
        ("$$", "$"),
        ("$$NAME", "$NAME"),
        ("$$$NAME", "$value"),
        ("${$}", "$"),
        ("$", "$"),
        ("cost: 5$", "cost: 5$"),
        ("$ NAME", "$ NAME"),
        ("$.NAME", "$.NAME"),
        ("$é", "$é"),
        ("$1NAME", "NAME"),
        ("${1}", ""),
        ("$*$#$@$!$?$-$0$9", ""),
        ("${*}x${@}", "x"),
        ("${}x", "x"),
        ("${NAME", "NAME"),
        ("${", ""),
        ("${NAME:-default}", ""),
        ("${A-B}", "odd"),
        ("${NA\nME}", ""),
        ("$NAME\n$NAME", "value\nvalue"),
        ("${${NAME}}", "}"),
    ],
)
def test_expand(text: str, expected: str) -> None:
    assert expand(text, VARIABLES) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("1", True), ("t", True), ("TRUE", True), ("True", True), ("true", True)]
)
def test_words_for_yes(text: str, expected: bool) -> None:
    assert parse_bool(text) is expected


@pytest.mark.parametrize("text", ["", "0", "false", "yes", "on", "tRUE", " true", "2"])
def test_everything_else_is_no(text: str) -> None:
    assert parse_bool(text) is False


def test_the_last_of_equal_names_wins() -> None:
    result = job_variables(
        job(Variable(key="A", value="1"), Variable(key="A", value="2"), Variable(key="B", value="$A")), {}
    )

    assert result == {"A": "2", "B": "2"}


def test_expansion_is_one_pass_over_unexpanded_values() -> None:
    result = job_variables(
        job(Variable(key="A", value="$B"), Variable(key="B", value="b"), Variable(key="C", value="$A")), {}
    )

    assert result["C"] == "$B"


def test_raw_values_stay_as_they_are_and_can_be_referenced() -> None:
    result = job_variables(job(Variable(key="A", value="$X", raw=True), Variable(key="B", value="<$A>")), {})

    assert result == {"A": "$X", "B": "<$X>"}


def test_file_variables_are_paths_whatever_the_environment_holds() -> None:
    entry, user = Variable(key="KUBECONFIG", value="content", file=True), Variable(key="ARGS", value="-c $KUBECONFIG")
    environment = {"RUNNER_TEMP_PROJECT_DIR": "/builds/g/p.tmp", "KUBECONFIG": "content"}

    result = job_variables(job(entry, user), environment)

    assert result["KUBECONFIG"] == "/builds/g/p.tmp/KUBECONFIG"
    assert result["ARGS"] == "-c /builds/g/p.tmp/KUBECONFIG"


def test_what_the_runner_expanded_is_taken_from_it() -> None:
    result = job_variables(job(Variable(key="A", value="$CI_PROJECT_DIR/a")), {"A": "/builds/x/a", "CI_SERVER": "yes"})

    assert result == {"A": "/builds/x/a", "CI_SERVER": "yes"}


def test_certificates_of_the_runner_are_files_too() -> None:
    environment = {"CI_SERVER_TLS_CA_FILE": "-----BEGIN", "RUNNER_TEMP_PROJECT_DIR": "/t"}

    assert job_variables(job(), environment)["CI_SERVER_TLS_CA_FILE"] == "/t/CI_SERVER_TLS_CA_FILE"
