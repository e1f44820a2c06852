"""Hostile configurations end at once with a message: no bomb of aliases, no depth without end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from executor.errors import UsageError
from executor.pipeline.load import load_pipeline

if TYPE_CHECKING:
    from pathlib import Path


def aliases() -> str:
    """Nine levels of ten aliases each: a thousand million nodes when written out."""
    lines = [".a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f".a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 9)]
    return "\n".join([*lines, "job: {script: *a8}"])


def merges() -> str:
    """The same by maps."""
    lines = [".a0: &a0 {x: 1}"]
    lines += [f".a{level}: &a{level} {{l: *a{level - 1}, m: *a{level - 1}}}" for level in range(1, 40)]
    return "\n".join([*lines, "job: {script: make}"])


def references() -> str:
    """The same by references, nine levels deep."""
    lines = [".a0: {script: [x, x, x, x, x, x, x, x, x, x]}"]
    for level in range(1, 9):
        entry = f"!reference [.a{level - 1}, script]"
        lines.append(f".a{level}: {{script: [{', '.join([entry] * 10)}]}}")
    return "\n".join([*lines, "job: {script: !reference [.a8, script]}"])


def deep() -> str:
    return "job: " + "[" * 5000


def deep_and_closed() -> str:
    return "job: " + "[" * 150 + "]" * 150


def big() -> str:
    return "job: {script: make}\n" + "#" * (2 * 1024 * 1024)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (aliases(), "too big: more than 100000 nodes"),
        (merges(), "too big: more than 100000 nodes"),
        (references(), "too big: more than 100000 nodes"),
        (deep(), "nested too deeply"),
        (deep_and_closed(), "nested more than 100 levels deep"),
        (big(), "The file is too big: more than 2097152 bytes"),
    ],
    ids=["aliases", "merges", "references", "deep", "deep-and-closed", "big"],
)
def test_is_refused_at_once(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / ".gitlab-ci.yml").write_text(text)
    start = time.process_time()
    with pytest.raises(UsageError, match=message):
        load_pipeline(tmp_path, variables={}, changes=None)
    assert time.process_time() - start < 5


def test_files_that_include_each_other_twice_end(tmp_path: Path) -> None:
    """Every file includes the next one twice: the number of includes is bounded."""
    for level in range(20):
        (tmp_path / f"{level}.yml").write_text(f"include: [{level + 1}.yml, {level + 1}.yml]\n")
    (tmp_path / "20.yml").write_text("job: {script: make}\n")
    with pytest.raises(UsageError, match="Maximum of 150 nested includes are allowed!"):
        load_pipeline(tmp_path, variables={}, file="0.yml", changes=None)


def test_python_tags_construct_nothing(tmp_path: Path) -> None:
    text = "job:\n  script: !!python/object/apply:os.system ['touch owned']\n"
    (tmp_path / ".gitlab-ci.yml").write_text(text)
    pipeline = load_pipeline(tmp_path, variables={}, changes=None)
    assert not (tmp_path / "owned").exists()
    assert pipeline.jobs[0].script == ("touch owned",)
    assert len(pipeline.remarks) == 1
    assert pipeline.remarks[0].startswith(
        ".gitlab-ci.yml:2: the YAML tag `tag:yaml.org,2002:python/object/apply:os.system`"
    )


def test_names_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    text = 'job:\n  script: make\n  "\\e[31mred\\n": 1\n'
    (tmp_path / ".gitlab-ci.yml").write_text(text)
    pipeline = load_pipeline(tmp_path, variables={}, changes=None)
    assert pipeline.remarks == (".gitlab-ci.yml:3: unknown keyword `?[31mred?`, GitLab refuses it.",)
    (tmp_path / ".gitlab-ci.yml").write_text('"a\\e[2J\\nb": {stage: test}\n')
    with pytest.raises(UsageError) as caught:
        load_pipeline(tmp_path, variables={}, changes=None)
    assert caught.value.what.startswith(".gitlab-ci.yml:1: jobs:a?[2J?b config should implement")
