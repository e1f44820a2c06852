"""The variables that jobs get: predefined ones, precedence, and both steps of expansion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from executor.job.model import Variable
from executor.pipeline.local.model import Paths
from executor.pipeline.local.names import environment_slug, file_name, slug, unique_file_names
from executor.pipeline.local.predefined import (
    environment_variables,
    group_name,
    job_variables,
    pipeline_variables,
)
from executor.pipeline.local.variables import resolve, stage_variables
from executor.pipeline.model import EnvironmentSpec
from tests.unit.local.builders import IDENTITY, make_job, make_repository

if TYPE_CHECKING:
    from pathlib import Path

PATHS = Paths(builds_dir="/builds", cache_dir="/cache/virida/demo", project_dir="/builds/virida/demo")


def both_steps(*variables: Variable) -> dict[str, str]:
    """Values as the job's scripts see them."""
    late = stage_variables(resolve(variables), PATHS, {"CI_PROJECT_DIR": PATHS.project_dir})
    return {variable.key: variable.value for variable in late}


class TestExpansion:
    """First GitLab's, recursive; then the runner's, once."""

    def test_references_are_followed_in_any_order(self) -> None:
        values = both_steps(
            Variable(key="A", value="$B-a"), Variable(key="B", value="${C}b"), Variable(key="C", value="c")
        )
        assert values["A"] == "cb-a"

    def test_folders_are_known_to_the_runner_alone(self) -> None:
        values = both_steps(Variable(key="A", value="$B/x"), Variable(key="B", value="$CI_PROJECT_DIR/y"))
        assert values["A"] == "/builds/virida/demo/y/x"

    def test_unknown_names_become_nothing(self) -> None:
        assert both_steps(Variable(key="A", value="<$NONE>"))["A"] == "<>"

    def test_a_doubled_dollar_is_one_for_the_shell(self) -> None:
        assert both_steps(Variable(key="A", value="$$HOME"))["A"] == "$HOME"

    def test_raw_values_stay_but_can_be_referred_to(self) -> None:
        values = both_steps(Variable(key="R", value="x", raw=True), Variable(key="S", value="$R$$R", raw=True))
        assert values["S"] == "$R$$R"
        assert both_steps(Variable(key="R", value="x", raw=True), Variable(key="A", value="<$R>"))["A"] == "<x>"

    def test_circles_end(self) -> None:
        values = both_steps(
            Variable(key="A", value="a$B"), Variable(key="B", value="b$A"), Variable(key="C", value="$C")
        )
        assert values["C"] == "$C"
        assert values["A"].startswith("ab")

    def test_a_reference_to_a_file_variable_is_its_path(self) -> None:
        values = both_steps(Variable(key="F", value="content", file=True), Variable(key="A", value="$F"))
        assert values["A"] == "/builds/virida/demo.tmp/F"

    def test_the_last_of_a_key_wins(self) -> None:
        assert both_steps(Variable(key="A", value="1"), Variable(key="A", value="2"))["A"] == "2"

    def test_a_job_may_overwrite_what_the_runner_sets_first(self) -> None:
        assert both_steps(Variable(key="CI_PROJECT_DIR", value="/mine"))["CI_PROJECT_DIR"] == "/mine"


class TestPredefined:
    """`CI_*` variables of a repository."""

    def test_commit_and_project(self, tmp_path: Path) -> None:
        values = pipeline_variables(make_repository(tmp_path), IDENTITY, file=".gitlab-ci.yml")
        expected = {
            "CI": "true",
            "GITLAB_CI": "true",
            "CI_PIPELINE_SOURCE": "push",
            "CI_COMMIT_SHORT_SHA": "a" * 8,
            "CI_COMMIT_BRANCH": "main",
            "CI_COMMIT_TITLE": "Title",
            "CI_COMMIT_DESCRIPTION": "Body",
            "CI_PROJECT_PATH": "virida/demo",
            "CI_PROJECT_NAME": "demo",
            "CI_PROJECT_NAMESPACE": "virida",
            "CI_PROJECT_PATH_SLUG": "virida-demo",
            "CI_PROJECT_URL": "https://gitlab.example.org/virida/demo",
            "CI_SERVER_HOST": "gitlab.example.org",
            "CI_SERVER_PORT": "443",
            "CI_REGISTRY_IMAGE": "registry.gitlab.example.org/virida/demo",
            "CI_DEFAULT_BRANCH": "main",
            "GITLAB_USER_LOGIN": "ada",
        }
        assert {key: values[key] for key in expected} == expected
        assert "CI_COMMIT_TAG" not in values

    def test_a_tag_has_no_branch(self, tmp_path: Path) -> None:
        values = pipeline_variables(make_repository(tmp_path, branch="", tag="v1.0"), IDENTITY, file="f")
        assert (values["CI_COMMIT_TAG"], values["CI_COMMIT_REF_SLUG"]) == ("v1.0", "v1-0")
        assert "CI_COMMIT_BRANCH" not in values

    def test_a_job(self) -> None:
        values = job_variables(make_job("test: [a, b]", when="manual"), 9, url="https://x/y")
        assert values["CI_JOB_URL"] == "https://x/y/-/jobs/9"
        assert values["CI_JOB_GROUP_NAME"] == "test"
        assert values["CI_JOB_MANUAL"] == "true"

    def test_an_environment_with_a_variable_in_its_name(self) -> None:
        spec = EnvironmentSpec(name="review/$REF", url="https://$CI_ENVIRONMENT_SLUG.x")
        values = environment_variables(spec, {"REF": "main"})
        assert values["CI_ENVIRONMENT_NAME"] == "review/main"
        assert values["CI_ENVIRONMENT_SLUG"].startswith("review-main-")
        assert values["CI_ENVIRONMENT_ACTION"] == "start"

    def test_no_environment_no_variables(self) -> None:
        assert environment_variables(None, {}) == {}


class TestNames:
    """Names made of other names."""

    @pytest.mark.parametrize(("text", "expected"), [("Feature/ÄB_c-", "feature--b-c"), ("x" * 80, "x" * 63)])
    def test_slug(self, text: str, expected: str) -> None:
        assert slug(text) == expected

    @pytest.mark.parametrize("name", ["staging", "production"])
    def test_a_plain_environment_is_its_own_slug(self, name: str) -> None:
        assert environment_slug(name) == name

    @pytest.mark.parametrize("name", ["review/x", "Staging", "1st", "a" * 30])
    def test_a_changed_environment_slug_is_short_and_unique(self, name: str) -> None:
        made = environment_slug(name)
        assert len(made) <= 24
        assert made[0].isalpha()
        assert made != environment_slug(f"{name}-other")

    @pytest.mark.parametrize(
        ("job", "expected"),
        [("test:ai-ml", "test-ai-ml"), ("../../etc", "etc"), ("a b/c 1/3", "a-b-c-1-3"), ("...", "job"), ("ü", "job")],
    )
    def test_a_job_as_a_file_name(self, job: str, expected: str) -> None:
        assert file_name(job) == expected

    def test_file_names_are_unique_also_without_case(self) -> None:
        assert unique_file_names(["a:b", "a/b", "A-B"]) == {"a:b": "a-b", "a/b": "a-b-2", "A-B": "A-B-3"}

    @pytest.mark.parametrize(
        ("job", "group"), [("t 1/3", "t"), ("t: [a, b]", "t"), ("t", "t"), ("build 1/2 x", "build 1/2 x")]
    )
    def test_group_of_parallel_jobs(self, job: str, group: str) -> None:
        assert group_name(job) == group
