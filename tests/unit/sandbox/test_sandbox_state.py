"""What the driver keeps between its calls: whole or not at all, and closed to everybody else."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING

import pytest

from executor.errors import OperatorError, SystemFailure
from executor.sandbox import state

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tmpdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runner's folder for the attempt."""
    folder = tmp_path / "custom-executor1"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def mode(path: str) -> int:
    return os.stat(path).st_mode & 0o777


def test_a_job_folder_is_found_again_and_is_private(tmp_path: Path, tmpdir: Path) -> None:
    old = os.umask(0)
    try:
        folder = state.create_job_folder(str(tmp_path / "state"), "1001-ab")
        state.save(folder, {"a": 1})
        state.mark_ended(folder)
    finally:
        os.umask(old)

    assert state.job_folder() == state.linked_folder() == folder == str(tmp_path / "state/jobs/1001-ab")
    assert [mode(path) for path in (str(tmp_path / "state"), str(tmp_path / "state/jobs"), folder)] == [0o700] * 3
    assert [mode(f"{folder}/{name}") for name in ("state.json", "ended")] == [0o600] * 2


def test_state_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    facts = {"text": "ä\n'\"", "list": [1, None], "map": {"x": True}}
    state.save(str(tmp_path), facts)

    assert state.load(str(tmp_path)) == {"version": state.VERSION, **facts}
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_failing_write_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full at the worst moment: the text is cut off, or the new file cannot take its place."""
    state.save(str(tmp_path), {"old": True})

    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", no_space)
    with pytest.raises(OperatorError, match="Cannot write in the state folder \\(No space left on device: ") as caught:
        state.save(str(tmp_path), {"new": True})

    assert "df -h" in caught.value.fix
    assert state.load(str(tmp_path))["old"] is True


@pytest.mark.parametrize(
    "text",
    ["", '{"version": 1, "claim": {"pi', "\0\0\0\0", "null", "[]", '"text"', b"\xff\xfe".decode("latin-1")],
    ids=["empty", "half", "zeros", "null", "list", "string", "not UTF-8"],
)
def test_half_a_state_is_a_system_failure(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text, encoding="latin-1")

    with pytest.raises(SystemFailure, match="state") as caught:
        state.load(str(tmp_path))
    assert caught.value.fix == "Retry the job."


def test_no_state_is_a_system_failure(tmp_path: Path) -> None:
    with pytest.raises(SystemFailure, match="cannot be read"):
        state.load(str(tmp_path))


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_the_state_of_another_version(tmp_path: Path, version: object) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"version": version}))

    with pytest.raises(SystemFailure, match="another version of virida-executor") as caught:
        state.load(str(tmp_path))
    assert caught.value.cause == "The driver was updated while the job ran."


@pytest.mark.parametrize("value", [None, "", "/nowhere/at/all", "/etc/passwd"])
def test_no_tmpdir(value: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    if value is not None:
        monkeypatch.setenv("TMPDIR", value)

    with pytest.raises(OperatorError, match="TMPDIR names no folder"):
        state.create_job_folder(str(tmp_path), "1-a")
    assert os.listdir(tmp_path) == []
    with pytest.raises(OperatorError, match="TMPDIR names no folder"):
        state.job_folder()


def test_nothing_is_prepared(tmpdir: Path) -> None:
    assert state.linked_folder() is None
    with pytest.raises(SystemFailure, match="Nothing is prepared for this job"):
        state.job_folder()


def test_a_link_to_a_folder_that_is_gone(tmp_path: Path, tmpdir: Path) -> None:
    """Somebody emptied the state folder: `cleanup` still learns the job's name from the link."""
    folder = state.create_job_folder(str(tmp_path), "1-a")
    os.rmdir(folder)

    with pytest.raises(SystemFailure, match="Nothing is prepared for this job"):
        state.job_folder()
    assert state.linked_folder() == folder
    state.mark_ended(folder)


def test_a_second_attempt_in_the_same_folder_takes_the_link_over(tmp_path: Path, tmpdir: Path) -> None:
    first, second = (state.create_job_folder(str(tmp_path), key) for key in ("1-a", "1-b"))

    assert state.job_folder() == second != first


def test_a_state_folder_that_cannot_be_made(tmp_path: Path, tmpdir: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(OperatorError, match="Cannot write in the state folder \\(Not a directory: ") as caught:
        state.create_job_folder(str(tmp_path / "file" / "state"), "1-a")
    assert "state_dir" in caught.value.fix
