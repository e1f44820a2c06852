"""docs/docker-executor-parity.md names tests that exist, and says of every row what becomes of it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs/docker-executor-parity.md").read_text()
ROW = re.compile(r"^\| (?!-)(?P<what>.+?) \| (?P<state>\S*) \| (?P<how>.+) \|$", re.MULTILINE)
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")
STATES = {"yes", "different", "impossible", "no"}
# A key of another program, or the runner's own work, which no test of this project could show.
SHOWN_ELSEWHERE = {"registry mirrors"}


def rows() -> list[re.Match[str]]:
    """The rows of all tables, without their heads."""
    return [row for row in ROW.finditer(PAGE) if row["state"]]


def functions(file: Path) -> set[str]:
    """Names of the functions that a file defines."""
    return {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}


def test_every_test_exists() -> None:
    named = set(TEST.findall(PAGE))
    missing = [f"{file}::{test}" for file, test in sorted(named) if not _exists(file, test)]
    assert len(named) > 80
    assert not missing


def test_every_row_has_one_of_the_four_states() -> None:
    assert len(rows()) > 100
    assert {row["state"] for row in rows()} == STATES


def test_what_is_supported_is_shown_by_a_test() -> None:
    bare = [row["what"] for row in rows() if row["state"] == "yes" and not TEST.search(row["how"])]
    assert set(bare) == SHOWN_ELSEWHERE


def test_every_key_of_the_docker_section_has_a_row() -> None:
    from dataclasses import fields

    from executor.settings.model import DockerSettings

    told = {word for row in rows() for word in re.findall(r"`(\w+)`", row["what"])}
    assert not {field.name for field in fields(DockerSettings)} - told - {"services"}


def _exists(file: str, test: str) -> bool:
    path = TESTS / file
    return path.exists() and test in functions(path)
