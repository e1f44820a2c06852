"""When a stage is run again, and when it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from executor.errors import OperatorError, SystemFailure
from executor.sandbox.second_life import allow_attempts
from executor.stages import attempts

if TYPE_CHECKING:
    from pathlib import Path


class Stage:
    """A stage that ends as told, one attempt after the other; `vanished` says what the Engine finds after a failure."""

    def __init__(self, *ends: int | Exception, vanished: bool = True) -> None:
        self.ends = list(ends)
        self.made_again = 0
        self._vanished = vanished

    def run(self) -> int:
        """One attempt."""
        end = self.ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end

    def make_again(self, folder: str) -> bool:
        """What stands for the Engine."""
        assert folder
        self.made_again += self._vanished
        return self._vanished


GONE = SystemFailure("The build container is gone.")


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, stage: Stage, most: int) -> int:
    """The exit code of a stage that may be run so often."""
    allow_attempts(str(folder), most)
    monkeypatch.setattr(attempts, "make_vanished_again", stage.make_again)
    return attempts.run_in_attempts(str(folder), stage.run)


@pytest.mark.parametrize("code", [0, 1, 137])
def test_an_exit_code_is_an_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int) -> None:
    assert run(monkeypatch, tmp_path, Stage(code), 3) == code


def test_a_vanished_container_is_worth_another_attempt(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(GONE, GONE, 7)
    assert run(monkeypatch, tmp_path, stage, 3) == 7
    assert stage.made_again == 2
    assert "attempt 2 of 3" in capsys.readouterr().out


def test_the_last_attempt_is_the_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stage = Stage(GONE, GONE, 0)
    with pytest.raises(SystemFailure):
        run(monkeypatch, tmp_path, stage, 2)
    assert stage.ends == [0]


@pytest.mark.parametrize("failure", [GONE, OperatorError("The disk is full.")])
def test_whatever_else_ended_the_stage_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failure: Exception
) -> None:
    stage = Stage(failure, 0, vanished=False)
    with pytest.raises(type(failure)):
        run(monkeypatch, tmp_path, stage, 3)
    assert stage.ends == [0]
