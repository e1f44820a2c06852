"""`artifacts:`: the scripts that pack and unpack them in the helper, and what the host makes of the archives."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import replace

from executor.pipeline.local import packing, shell
from executor.pipeline.local.shell import GREEN, RED, quote, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from executor.job.model import Variable
    from executor.pipeline.local.model import Paths
    from executor.pipeline.model import ArtifactsSpec

EXCHANGE_DIR = "/executor/exchange"
ARCHIVE = "artifacts.tar"
REPORTS = "reports.tar"
DOTENV = "dotenv"


def exchange_folder(job_id: int) -> str:
    """The job's own folder for archives and facts, as the helper container sees it."""
    return f"{EXCHANGE_DIR}/{job_id}"


def download_artifacts(paths: Paths, variables: Sequence[Variable], sources: Mapping[str, int]) -> str:
    """Unpack the archives of the jobs `sources` (name to job id) into the project folder."""
    return shell.script(
        shell.exports(variables, paths),
        f"cd {quote(paths.project_dir)}",
        *(_download(name, job_id) for name, job_id in sources.items()),
        shell.hand_over(paths, paths.builds_dir),
    )


def archive_wanted(spec: ArtifactsSpec, *, succeeded: bool) -> bool:
    """Whether the job's end makes an archive; reports are collected whatever the end was."""
    has_files = bool(spec.paths) or spec.untracked
    return has_files and (spec.when == "always" or (spec.when == "on_failure") != succeeded)


def expand_spec(spec: ArtifactsSpec, expand: Callable[[str], str]) -> ArtifactsSpec:
    """The artifacts with the variables in their paths replaced."""
    return replace(
        spec,
        paths=tuple(expand(path) for path in spec.paths),
        exclude=tuple(expand(path) for path in spec.exclude),
        reports={kind: tuple(expand(path) for path in paths) for kind, paths in spec.reports.items()},
    )


def upload_artifacts(
    paths: Paths, variables: Sequence[Variable], spec: ArtifactsSpec, job_id: int, *, archive: bool
) -> str:
    """Pack the artifacts (with `archive`), the reports, and a dotenv report's variables into the exchange folder."""
    folder = exchange_folder(job_id)
    dotenv = spec.reports.get(DOTENV, ())
    reports = [path for kind, found in spec.reports.items() if kind != DOTENV for path in found]
    return shell.script(
        shell.exports(variables, paths),
        f"cd {quote(paths.project_dir)}",
        _pack_artifacts(paths, spec, folder) if archive else "",
        _pack(paths, reports, f"{folder}/{REPORTS}", "reports") if reports else "",
        _collect_dotenv(paths, dotenv, f"{folder}/{DOTENV}") if dotenv else "",
    )


def clear(target: Path) -> None:
    """Forget the artifacts of an earlier run."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(target)


def read_dotenv(path: Path) -> dict[str, str]:
    """Variables of a dotenv report: `KEY=VALUE` lines, with no quoting, as GitLab reads them; {} if there is none."""
    if not os.path.exists(path):
        return {}
    lines = path.read_text(errors="replace").splitlines()
    pairs = [line.partition("=") for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return {key.strip(): value.strip() for key, separator, value in pairs if separator}


def _download(name: str, job_id: int) -> str:
    archive = quote(f"{exchange_folder(job_id)}/{ARCHIVE}")
    return "\n".join(
        [
            say(f"Downloading artifacts for {name} ({job_id})...", GREEN),
            f"tar -xf {archive}",
            say("Downloading artifacts from coordinator... ok"),
        ]
    )


def _pack_artifacts(paths: Paths, spec: ArtifactsSpec, folder: str) -> str:
    return _pack(paths, spec.paths, f"{folder}/{ARCHIVE}", "artifacts", exclude=spec.exclude, untracked=spec.untracked)


def _pack(
    paths: Paths,
    patterns: Sequence[str],
    archive: str,
    what: str,
    *,
    exclude: Sequence[str] = (),
    untracked: bool = False,
) -> str:
    target = quote(archive)
    return "\n".join(
        [
            say(f"Uploading {what}...", GREEN),
            packing.listing(paths, patterns, exclude=exclude, untracked=untracked),
            f"if [ -s {packing.LIST} ]; then",
            packing.archive(target),
            f'  printf \'Uploading {what} as "archive"... kept, %s bytes\\n\' "$(($(wc -c < {target})))"',
            "else",
            f"  {packing.no_files('ERROR: No files to upload')}",
            "fi",
        ]
    )


def _collect_dotenv(paths: Paths, patterns: Sequence[str], target: str) -> str:
    word = quote(target)
    return "\n".join(
        [
            say("Uploading dotenv...", GREEN),
            packing.listing(paths, patterns),
            f": > {word}",
            f'while IFS= read -r name; do [ -d "$name" ] || cat -- "$name" >> {word}; done < {packing.LIST}',
            f"chmod a+r {word}",
            f"[ -s {packing.LIST} ] || {say('ERROR: No files to upload', RED)}",
        ]
    )
