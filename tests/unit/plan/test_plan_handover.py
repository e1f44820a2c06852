"""Which folder becomes the build container's user's, and which never does."""

from __future__ import annotations

import pytest

from executor.plan.handover import FLAG
from executor.plan.model import Handover
from tests.unit.plan.builders import plan

ASKED = {FLAG: "true"}


def test_sources_are_open_to_all_unless_the_job_or_the_operator_asks() -> None:
    assert plan().handover is None
    assert plan(environment=ASKED).handover == Handover(
        project_dir="/builds/group/app", mark="/builds/.virida-executor-owner"
    )
    assert plan(runner={"feature_flags": {FLAG: True}}).handover
    assert plan(environment=ASKED, runner={"feature_flags": {FLAG: False}}).handover is None


def test_it_follows_the_operators_builds_folder() -> None:
    asked = ASKED | {"CI_PROJECT_DIR": "/deep/er/app"}
    made = plan(environment=asked, runner={"builds_dir": "/deep/er/"})
    assert made.handover == Handover(project_dir="/deep/er/app", mark="/deep/er/.virida-executor-owner")


@pytest.mark.parametrize(
    "forged", ["/", "/etc", "/builds", "/builds/", "/builds/../etc", "/buildsides/app", "app", "", "/builds/a\nb"]
)
def test_nothing_outside_the_builds_folder_changes_hands(forged: str) -> None:
    made = plan(environment=ASKED | {"CI_PROJECT_DIR": forged})
    assert made.handover is None
    assert any(FLAG in warning for warning in made.warnings)
