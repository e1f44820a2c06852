"""Jobs, pipelines, repositories and shells for the tests of the local runner."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from executor.pipeline.local.model import Paths
from executor.pipeline.local.predefined import RunIdentity
from executor.pipeline.local.repository import Repository
from executor.pipeline.model import Need, Pipeline, PipelineJob, Position

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

POSITION = Position(file=".gitlab-ci.yml", line=1)
IDENTITY = RunIdentity(pipeline_id=7, project_id=42, created_at="2026-01-02T03:04:05Z")
SHELLS = ("bash", "dash")


def make_job(name: str = "unit", stage: str = "test", **fields: Any) -> PipelineJob:
    """A job; `needs` may be plain names."""
    if fields.get("needs") is not None:
        fields["needs"] = tuple(Need(job=need) if isinstance(need, str) else need for need in fields["needs"])
    return PipelineJob(name=name, stage=stage, position=POSITION, **{"script": ("true",), **fields})


def make_pipeline(*jobs: PipelineJob, skipped: dict[str, str] | None = None) -> Pipeline:
    """A pipeline of the jobs, its stages in the order of their first jobs."""
    stages = tuple(dict.fromkeys(job.stage for job in jobs))
    return Pipeline(stages=stages, jobs=jobs, skipped=skipped or {})


def make_repository(root: Path, **fields: Any) -> Repository:
    """A repository value that needs no repository."""
    values: dict[str, Any] = {
        "root": root,
        "sha": "a" * 40,
        "before_sha": "b" * 40,
        "branch": "main",
        "tag": "",
        "default_branch": "main",
        "message": "Title\n\nBody",
        "author": "Ada <ada@example.org>",
        "timestamp": "2026-01-02T03:04:05+00:00",
        "server": "https://gitlab.example.org",
        "project_path": "virida/demo",
        "user_name": "Ada",
        "user_email": "ada@example.org",
        "changed": (),
    }
    return Repository(**{**values, **fields})


def make_paths(folder: Path) -> Paths:
    """Folders of a job that are folders here, so that its scripts can run without a container."""
    project = folder / "builds" / "virida" / "demo"
    project.mkdir(parents=True, exist_ok=True)
    return Paths(builds_dir=str(folder / "builds"), cache_dir=str(folder / "cache"), project_dir=str(project))


def run_script(shell: str, script: str, *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The script on the standard input of a shell, as containers run it."""
    return subprocess.run([shell], input=script, capture_output=True, text=True, timeout=30, cwd=cwd, check=False)


def git(folder: Path, *words: str) -> str:
    """Git in `folder` with an author and no settings of this machine."""
    settings = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main"]
    command = ["git", "-C", str(folder), *settings, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def commit(folder: Path, files: dict[str, str], message: str = "change") -> str:
    """Write files and commit everything; the commit's sha."""
    write(folder, files)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD").strip()


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files below `folder`."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def names(jobs: Sequence[PipelineJob]) -> list[str]:
    """The jobs' names."""
    return [job.name for job in jobs]
