"""How often a stage may be run."""

from __future__ import annotations

import pytest

from executor.plan.attempts import VARIABLE
from tests.unit.plan.builders import plan


@pytest.mark.parametrize(("asked", "attempts"), [("", 1), ("1", 1), ("2", 2), (" 10 ", 10)])
def test_a_number_from_one_to_ten(asked: str, attempts: int) -> None:
    made = plan(environment={VARIABLE: asked})
    assert made.attempts == attempts
    assert not [warning for warning in made.warnings if VARIABLE in warning]


@pytest.mark.parametrize("asked", ["0", "11", "-1", "two", "2.0", "³", "9" * 5000])
def test_anything_else_is_told_and_means_one(asked: str) -> None:
    made = plan(environment={VARIABLE: asked})
    assert made.attempts == 1
    assert len([warning for warning in made.warnings if VARIABLE in warning]) == 1
