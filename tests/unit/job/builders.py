"""A small job, to be varied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from executor.job.model import Image, Job, Variable

PLAIN = Job(
    id=1001,
    name="unit",
    stage="test",
    project_id=42,
    project_path="group/app",
    ref="main",
    sha="a" * 40,
    before_sha="b" * 40,
    protected=False,
    timeout=3600,
    repo_url="",
    allow_git_fetch=True,
    image=Image(name="debian:12"),
    services=(),
    variables=(),
    credentials=(),
    caches=(),
    pipeline_id=7,
    url="https://gitlab.example/group/app/-/jobs/1001",
)


def job(*variables: Variable, **changes: Any) -> Job:
    """The plain job with `variables`, and other fields changed."""
    return replace(PLAIN, variables=variables, **changes)
