"""Checks what no compiler reads: the CI file, the Dockerfiles and Clever Cloud's configuration."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_JOBS = {"default", "include", "stages", "variables", "workflow"}
APPLICATION = re.compile(r"app_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def ci_problems(path: Path) -> Iterator[str]:
    """Jobs whose names do not say their stage."""
    document = yaml.safe_load(path.read_text())
    for name, job in document.items():
        if name in NO_JOBS or name.startswith("."):
            continue
        stage = job.get("stage", "test")
        if stage not in document["stages"]:
            yield f"{path}: {name} is of a stage that does not exist: {stage}"
        if not name.startswith(f"{stage}:"):
            yield f"{path}: {name} should be called {stage}:PART"


def dockerfile_problems(path: Path) -> Iterator[str]:
    """Base images that may be another one tomorrow."""
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        words = line.split()
        if words[:1] == ["FROM"] and "$" not in words[1] and not re.search(r":(?!latest$)", words[1]):
            yield f"{path}:{number}: {words[1]} has no fixed tag"


def clever_problems(path: Path) -> Iterator[str]:
    """Applications that Clever Tools could not find."""
    for application in json.loads(path.read_text())["apps"]:
        if not APPLICATION.fullmatch(application["app_id"]):
            yield f"{path}: {application['alias']} has no valid app_id"


def main() -> int:
    """Prints every problem; 1 where there is one."""
    problems = [*ci_problems(Path(".gitlab-ci.yml")), *clever_problems(Path(".clever.json"))]
    dockerfiles = sorted(Path().glob("images/*/Dockerfile"))
    for dockerfile in dockerfiles:
        problems.extend(dockerfile_problems(dockerfile))
    print("\n".join(problems) or f"CI file, {len(dockerfiles)} Dockerfiles and Clever configuration are sound")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
