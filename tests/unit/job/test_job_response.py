"""JOB_RESPONSE_FILE: runners of all versions are understood, and a broken one is told without its content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from executor.errors import SystemFailure
from executor.job.model import Cache, Credentials, Image, Variable
from executor.job.response import load_job

SECRET = "glcbt-64_very-secret"
MINIMAL: dict[str, Any] = {"id": 1001, "token": SECRET, "job_info": {"project_id": 42}}


def load(folder: Path, response: Any) -> Any:
    path = folder / "response.json"
    path.write_text(response if isinstance(response, str) else json.dumps(response))
    return load_job(str(path), {})


def test_a_whole_job(tmp_path: Path) -> None:
    variable = {"key": "A", "value": "1", "public": True, "file": False, "masked": False, "raw": True}
    image = {
        "name": "python:3.12",
        "entrypoint": [""],
        "pull_policy": ["if-not-present"],
        "executor_opts": {"docker": {"platform": "linux/arm64", "user": "1000:1000"}, "kubernetes": {"user": ""}},
    }
    cache = {
        "key": "k-protected",
        "fallback_keys": ["k"],
        "paths": ["a/", "$B"],
        "untracked": True,
        "policy": "pull",
        "when": "always",
    }
    job = load(
        tmp_path,
        {
            **MINIMAL,
            "allow_git_fetch": True,
            "job_info": {
                "name": "unit",
                "stage": "test",
                "project_id": 42,
                "project_full_path": "group/app",
                "pipeline_id": 7,
            },
            "git_info": {
                "repo_url": "https://h/g/app.git",
                "ref": "main",
                "sha": "a" * 40,
                "before_sha": "b" * 40,
                "protected": True,
            },
            "runner_info": {"timeout": 600},
            "variables": [variable, {"key": "CI_JOB_URL", "value": "https://h/jobs/1001"}],
            "image": image,
            "services": [{"name": "redis:7", "alias": "kv,cache", "command": ["--port", "1"], "variables": [variable]}],
            "cache": [cache, {"key": ""}],
            "credentials": [
                {"type": "registry", "url": "r.example", "username": "u", "password": "p"},
                {"type": "index", "url": "other"},
            ],
        },
    )

    assert (job.id, job.name, job.stage, job.project_id, job.project_path) == (1001, "unit", "test", 42, "group/app")
    assert (job.pipeline_id, job.url, job.timeout) == (7, "https://h/jobs/1001", 600)
    assert (job.ref, job.sha, job.before_sha, job.protected, job.allow_git_fetch) == (
        "main",
        "a" * 40,
        "b" * 40,
        True,
        True,
    )
    assert job.image == Image(
        name="python:3.12", entrypoint=("",), pull_policy=("if-not-present",), platform="linux/arm64", user="1000:1000"
    )
    a = Variable(key="A", value="1", public=True, raw=True)
    assert job.services == (Image(name="redis:7", alias="kv,cache", command=("--port", "1"), variables=(a,)),)
    assert job.variables[0] == a
    assert job.caches == (
        Cache(
            key="k-protected", fallback_keys=("k",), paths=("a/", "$B"), untracked=True, policy="pull", when="always"
        ),
        Cache(),
    )
    assert job.credentials == (Credentials(url="r.example", username="u", password="p"),)


def test_everything_but_the_ids_may_be_missing_or_null(tmp_path: Path) -> None:
    bare = load(tmp_path, MINIMAL)
    nulls = dict.fromkeys(("git_info", "image", "services", "variables", "cache", "credentials", "runner_info"))

    assert load(tmp_path, {**MINIMAL, **nulls}) == bare
    assert bare.image == Image(name="")
    assert (bare.services, bare.timeout, bare.pipeline_id, bare.url) == ((), 0, None, "")


@pytest.mark.parametrize(
    ("git", "entries", "expected"),
    [
        (True, [], True),
        (False, ["true"], False),
        (None, ["true"], True),
        (None, ["false", "true"], False),
        (None, [], False),
    ],
)
def test_protected(tmp_path: Path, git: bool | None, entries: list[str], expected: bool) -> None:
    variables = [{"key": "CI_COMMIT_REF_PROTECTED", "value": value} for value in entries]
    job = load(tmp_path, {**MINIMAL, "git_info": {"protected": git}, "variables": variables})

    assert job.protected is expected


@pytest.mark.parametrize(("values", "expected"), [(["7", "8"], 7), (["x"], None), ([""], None), (["²"], None)])
def test_an_old_runner_has_the_pipeline_only_in_variables_where_the_first_entry_is_gitlabs(
    tmp_path: Path, values: list[str], expected: int | None
) -> None:
    variables = [{"key": "CI_PIPELINE_ID", "value": value} for value in values]

    assert load(tmp_path, {**MINIMAL, "variables": variables}).pipeline_id == expected


def test_a_numeric_user_is_taken_as_its_digits(tmp_path: Path) -> None:
    image = {"name": "a", "executor_opts": {"docker": {"user": 1000}}}

    assert load(tmp_path, {**MINIMAL, "image": image}).image.user == "1000"


@pytest.mark.parametrize(
    ("response", "said"),
    [
        ("", "not valid JSON"),
        ('{"id": 1, "token": "' + SECRET, "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "the whole is not an object"),
        ("null", "the whole is not an object"),
        ({"job_info": {"project_id": 1}, "token": SECRET}, "id is missing"),
        ({**MINIMAL, "id": SECRET}, "id is not a whole number"),
        ({**MINIMAL, "id": True}, "id is not a whole number"),
        ({**MINIMAL, "job_info": {}}, "job_info.project_id is missing"),
        ({**MINIMAL, "variables": {SECRET: 1}}, "variables is not a list"),
        ({**MINIMAL, "variables": [SECRET]}, "variables[0] is not an object"),
        ({**MINIMAL, "variables": [{"key": "A", "value": [SECRET]}]}, "variables[0].value is not a string"),
        ({**MINIMAL, "variables": [{"key": "A", "masked": SECRET}]}, "variables[0].masked is not a boolean"),
        ({**MINIMAL, "image": SECRET}, "image is not an object"),
        ({**MINIMAL, "image": {"entrypoint": SECRET}}, "image.entrypoint is not a list"),
        ({**MINIMAL, "services": [{"command": ["a", 1]}]}, "services[0].command[1] is not a string"),
    ],
)
def test_a_broken_file_is_a_system_failure_that_shows_nothing_of_it(tmp_path: Path, response: Any, said: str) -> None:
    with pytest.raises(SystemFailure) as failure:
        load(tmp_path, response)

    assert said in failure.value.what
    assert SECRET not in failure.value.one_line()
    assert str(tmp_path) in failure.value.what


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SystemFailure, match="does not exist"):
        load_job(str(tmp_path / "gone.json"), {})


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(SystemFailure, match="cannot be read: Is a directory"):
        load_job(str(tmp_path), {})


def test_passwords_are_not_in_representations(tmp_path: Path) -> None:
    credentials = [{"type": "registry", "url": "r", "username": "u", "password": SECRET}]
    job = load(
        tmp_path, {**MINIMAL, "credentials": credentials, "git_info": {"repo_url": f"https://x:{SECRET}@h/a.git"}}
    )

    assert SECRET not in repr(job)


def test_who_started_the_job_is_the_first_to_be_named(tmp_path: Path) -> None:
    """GitLab's own variables come before those that a job's author adds."""
    names = [{"key": "GITLAB_USER_LOGIN", "value": value} for value in ("ada", "root")]

    assert load(tmp_path, {**MINIMAL, "variables": names}).user == "ada"
    assert load(tmp_path, MINIMAL).user == ""


def test_names_of_secrets_are_kept_and_nothing_else_of_them(tmp_path: Path) -> None:
    job = load(tmp_path, {**MINIMAL, "secrets": {"DB": {"vault": {"server": {"jwt": SECRET}}}}})

    assert job.secret_names == ("DB",)
    assert SECRET not in repr(job)


def test_whether_gitlab_folds_sections_is_what_it_says(tmp_path: Path) -> None:
    assert load(tmp_path, {**MINIMAL, "features": {"trace_sections": True}}).trace_sections
    assert not load(tmp_path, {**MINIMAL, "features": None}).trace_sections
