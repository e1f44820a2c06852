"""What the loop says, and what scripts say in its name."""

from __future__ import annotations

import pytest

from executor.stages.words import LONGEST_LINE, Words, exit_code_in, is_ready


def code_in(*pieces: bytes) -> int | None:
    """The first exit code of stage 7-1 in what comes in `pieces`."""
    words = Words()
    codes = (exit_code_in(line, "7-1") for data in pieces for line in words.lines(data))
    return next((code for code in codes if code is not None), None)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (b"", None),
        (b"7-1 0\n", 0),
        (b"7-1 255\n", 255),
        (b"7-1 3", None),
        (b"7-1 13", None),
        (b"ready 1 1 7 \n", None),
        (b"ready 1 1 7 \n7-1 4\n", 4),
        (b"6-1 9\n7-1 5\n8-1 7\n", 5),
        (b"7-11 9\n", None),
        (b"7-1 \n", None),
        (b"7-1 x\n", None),
        (b"7-1 -1\n", None),
        (b"7-1\n", None),
        (b"\xff\xfe\n7-1 6\n", 6),
        (b"half a line of a script's\n7-1 6\n", 6),
        (b"7-1 " + b"9" * 5000 + b"\n", None),
    ],
)
def test_exit_code_in(words: bytes, code: int | None) -> None:
    assert code_in(words) == code


def test_a_line_comes_in_pieces() -> None:
    assert code_in(b"7-", b"1 1", b"2\n") == 12


def test_a_line_without_end_is_not_kept() -> None:
    words = Words()
    for _ in range(40):
        assert words.lines(b"x" * (1 << 17)) == []
    assert len(words.lines(b"\n7-1 0\n")[0]) == LONGEST_LINE
    assert code_in(*[b"x" * (1 << 17)] * 40, b"\n7-1 0\n") == 0


@pytest.mark.parametrize(
    ("line", "ready"),
    [
        (b"ready 1  1 7 ", True),
        (b"ready 12 shared 1 7 ", True),
        (b"ready", False),
        (b"ready 1", False),
        (b"ready 1 $(reboot)", False),
        (b"ready \xff 1", False),
        (b"ready; 1 1", False),
        (b"", False),
    ],
)
def test_what_counts_as_ready(line: bytes, ready: bool) -> None:
    assert is_ready(line) is ready
