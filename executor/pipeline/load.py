"""From `.gitlab-ci.yml` to the pipeline GitLab would make of it: the entrance of this room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.pipeline.assembly import Assembly
from executor.pipeline.facts import Facts
from executor.pipeline.files import RepositoryFiles
from executor.pipeline.include import load_configuration
from executor.pipeline.inheritance import apply_extends
from executor.pipeline.model import Position
from executor.pipeline.problems import Remarks, invalid
from executor.pipeline.references import resolve_references

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from executor.pipeline.model import Pipeline


def load_pipeline(
    root: Path,
    *,
    variables: Mapping[str, str],
    file: str = ".gitlab-ci.yml",
    changes: Callable[[str | None], Sequence[str]] | None,
) -> Pipeline:
    """The pipeline of the repository `root`, every job resolved.

    `variables` are those the pipeline starts with (predefined ones and those a person gave); they win over variables
    of the file. `changes` gives the changed paths, relative to `root`, against a ref or (None) against the default one;
    without it every `changes` clause holds.

    Raises UsageError, with `file:line` in front, for a configuration that GitLab would refuse. Unknown keywords and
    those without effect here become remarks instead.
    """
    facts = Facts(given=variables, files=RepositoryFiles(root), changes=changes, remarks=Remarks())
    try:
        included = load_configuration(root, file, facts)
        configuration = resolve_references(apply_extends(included, facts.left_out), facts.left_out)
        return Assembly(configuration, facts).pipeline()
    except RecursionError:
        raise invalid(Position(file=file, line=1), "The configuration is nested too deeply") from None
