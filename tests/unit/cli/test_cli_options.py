"""The options of the driver's phases."""

from __future__ import annotations

import pytest

from executor.cli.options import split_options
from executor.errors import OperatorError


@pytest.mark.parametrize(
    ("words", "options", "rest"),
    [
        ([], {}, []),
        (["s", "t"], {}, ["s", "t"]),
        (["--config", "f", "s"], {"config": "f"}, ["s"]),
        (["s", "--runner=a=b"], {"runner": "a=b"}, ["s"]),
        (["--config", "a", "--config", "b"], {"config": "b"}, []),
        (["--config", "--runner", "x"], {"config": "--runner"}, ["x"]),
        (["--config="], {"config": ""}, []),
        (["--configs", "x"], {}, ["--configs", "x"]),
    ],
)
def test_split(words: list[str], options: dict[str, str], rest: list[str]) -> None:
    assert split_options(words) == (options, rest)


@pytest.mark.parametrize("words", [["--config"], ["--runner"], ["--config", ""]])
def test_a_missing_value(words: list[str]) -> None:
    with pytest.raises(OperatorError, match=f"{words[0]} needs a value"):
        split_options(words)
