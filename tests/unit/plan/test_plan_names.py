"""Names and labels: what `docker ps` shows, what existing tooling filters on, what cleaning up relies on."""

from __future__ import annotations

import re

import pytest

from executor.job.model import Image, Variable
from tests.unit.job.builders import job
from tests.unit.plan.builders import plan

DOCKER_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


def test_names_of_containers() -> None:
    made = plan(job(services=(Image(name="registry.example:5000/group/db:1"), Image(name="redis:7"))))

    prefix = "runner-abcDEF_12-project-42-concurrent-0-1001-ab12"
    assert made.helper.name == f"{prefix}-predefined"
    assert made.build.name == f"{prefix}-build"
    assert [service.container.name for service in made.services] == [
        f"{prefix}-registry.example__group__db-0",
        f"{prefix}-redis-1",
    ]


def test_names_are_dockers_whatever_the_token_or_alias_holds() -> None:
    made = plan(job(services=(Image(name="a" * 200),)), host={"slot": None})

    for container in (made.helper, made.build, made.services[0].container):
        assert DOCKER_NAME.fullmatch(container.name)
        assert len(container.name) < 160


def test_labels_are_the_docker_executors_and_ours() -> None:
    assert plan().build.labels == {
        "com.gitlab.gitlab-runner.managed": "true",
        "com.gitlab.gitlab-runner.type": "build",
        "com.gitlab.gitlab-runner.job.id": "1001",
        "com.gitlab.gitlab-runner.job.url": "https://gitlab.example/group/app/-/jobs/1001",
        "com.gitlab.gitlab-runner.job.sha": "a" * 40,
        "com.gitlab.gitlab-runner.job.before_sha": "b" * 40,
        "com.gitlab.gitlab-runner.job.ref": "main",
        "com.gitlab.gitlab-runner.job.timeout": "1h0m0s",
        "com.gitlab.gitlab-runner.project.id": "42",
        "com.gitlab.gitlab-runner.project.runner_id": "0",
        "com.gitlab.gitlab-runner.pipeline.id": "7",
        "com.gitlab.gitlab-runner.runner.id": "abcDEF_12",
        "io.virida.executor.job": "1001-ab12",
        "io.virida.executor.role": "build",
        "io.virida.executor.state": "/state/jobs/1001-ab12",
    }


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (30, "30s"), (60, "1m0s"), (3605, "1h0m5s"), (90000, "25h0m0s")]
)
def test_timeouts_read_as_in_go(seconds: int, text: str) -> None:
    assert plan(job(timeout=seconds)).build.labels["com.gitlab.gitlab-runner.job.timeout"] == text


def test_types_and_roles() -> None:
    made = plan(job(services=(Image(name="redis:7"),)))
    service = made.services[0].container

    assert made.helper.labels["com.gitlab.gitlab-runner.type"] == "predefined"
    assert service.labels["com.gitlab.gitlab-runner.type"] == "service"
    assert service.labels["com.gitlab.gitlab-runner.service"] == "redis"
    assert service.labels["com.gitlab.gitlab-runner.service.version"] == "7"
    assert [made.helper.role, made.build.role, service.role] == ["helper", "build", "service"]


def test_labels_of_the_operator_are_expanded_but_cannot_hide_ours() -> None:
    request = job(Variable(key="TEAM", value="web"), services=(Image(name="redis:7"),))
    made = plan(request, container_labels={"team": "$TEAM", "io.virida.executor.job": "forged"})

    for container in (made.helper, made.build, made.services[0].container):
        assert container.labels["team"] == "web"
        assert container.labels["io.virida.executor.job"] == "1001-ab12"
    assert made.services[0].container.labels["com.gitlab.gitlab-runner.team"] == "web"
    assert "com.gitlab.gitlab-runner.team" not in made.build.labels


def test_a_job_without_a_known_pipeline_has_no_label_for_it() -> None:
    assert "com.gitlab.gitlab-runner.pipeline.id" not in plan(job(pipeline_id=None)).build.labels


def test_the_plan_says_what_outlives_the_job() -> None:
    made = plan(volume_keep=True, host={"reusable_builds": False})

    assert (made.key, made.keep_volumes, made.reusable_builds, made.builds_host_dir) == (
        "1001-ab12",
        True,
        False,
        "/host/builds",
    )
