"""Artifacts: what is packed, what later jobs get, and what the user sees."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from executor.pipeline.local import artifacts
from executor.pipeline.model import ArtifactsSpec
from tests.unit.local.builders import SHELLS, git, make_paths, run_script, write

if TYPE_CHECKING:
    from executor.pipeline.local.model import Paths

JOB_ID = 5


class Project:
    """A project folder with an exchange folder, and the scripts between them."""

    def __init__(self, shell: str, paths: Paths, folder: Path) -> None:
        self.shell = shell
        self.paths = paths
        self.folder = Path(paths.project_dir)
        self.exchange = folder / "exchange" / str(JOB_ID)
        self.exchange.mkdir(parents=True)

    def upload(self, *, archive: bool = True, **fields: Any) -> str:
        """What the log says of packing."""
        return self._run(artifacts.upload_artifacts(self.paths, (), ArtifactsSpec(**fields), JOB_ID, archive=archive))

    def download(self) -> str:
        """What the log says of unpacking."""
        return self._run(artifacts.download_artifacts(self.paths, (), {"build": JOB_ID}))

    def packed(self, name: str = artifacts.ARCHIVE) -> list[str]:
        """Names in the archive."""
        with tarfile.open(self.exchange / name) as tar:
            return sorted(member.name.removeprefix("./") for member in tar if not member.isdir())

    def _run(self, script: str) -> str:
        local = script.replace(artifacts.EXCHANGE_DIR, str(self.exchange.parent))
        done = run_script(self.shell, local)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout


@pytest.fixture(params=SHELLS)
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """One for each shell."""
    return Project(request.param, make_paths(tmp_path), tmp_path)


def test_a_folder_is_packed_whole(project: Project) -> None:
    write(project.folder, {"out/a": "1", "out/sub/b": "2", "else": "3"})
    assert "out/: found 4 matching artifact files and directories" in project.upload(paths=("out/",))
    assert project.packed() == ["out/a", "out/sub/b"]


def test_excluded_files_stay_out(project: Project) -> None:
    write(project.folder, {"out/a.o": "", "out/deep/b.o": "", "out/c": ""})
    assert "out/**/*.o: excluded 2 files" in project.upload(paths=("out",), exclude=("out/**/*.o",))
    assert project.packed() == ["out/c"]


def test_untracked_files_are_what_git_does_not_know(project: Project) -> None:
    git(project.folder, "init", "--quiet")
    write(project.folder, {"known": "", "new": ""})
    git(project.folder, "add", "known")
    assert "untracked: found 1 files" in project.upload(untracked=True)
    assert project.packed() == ["new"]


def test_no_files_are_told_and_are_no_error(project: Project) -> None:
    log = project.upload(paths=("none/",))
    assert (
        "WARNING: none/: no matching files. Ensure that the artifact path is relative to the working directory" in log
    )
    assert "ERROR: No files to upload" in log
    assert not (project.exchange / artifacts.ARCHIVE).exists()


def test_a_path_outside_of_the_project_is_left_out(project: Project) -> None:
    assert "/etc/passwd is outside of the project folder" in project.upload(paths=("/etc/passwd",))
    assert not (project.exchange / artifacts.ARCHIVE).exists()


def test_later_jobs_find_the_files_where_they_were(project: Project) -> None:
    write(project.folder, {"out/run": "x"})
    (project.folder / "out/run").chmod(0o755)
    project.upload(paths=("out",))
    (project.folder / "out/run").unlink()
    assert "Downloading artifacts for build (5)..." in project.download()
    assert (project.folder / "out/run").stat().st_mode & 0o111


def test_dotenv_reports_become_variables(project: Project) -> None:
    write(project.folder, {"a.env": "VERSION=1.2\n\n# comment\nURL=http://x?a=b \n", "b.env": "VERSION=1.3\nno pair\n"})
    project.upload(archive=False, reports={"dotenv": ("a.env", "b.env")})
    assert artifacts.read_dotenv(project.exchange / artifacts.DOTENV) == {"VERSION": "1.3", "URL": "http://x?a=b"}


def test_reports_are_packed_without_an_archive(project: Project) -> None:
    write(project.folder, {"junit.xml": ""})
    project.upload(archive=False, paths=("out",), reports={"junit": ("*.xml",)})
    assert project.packed(artifacts.REPORTS) == ["junit.xml"]


@pytest.mark.parametrize(
    ("when", "succeeded", "expected"),
    [("on_success", True, True), ("on_success", False, False), ("on_failure", False, True), ("always", False, True)],
)
def test_when_decides_about_the_archive(when: str, succeeded: bool, expected: bool) -> None:
    assert artifacts.archive_wanted(ArtifactsSpec(paths=("a",), when=when), succeeded=succeeded) is expected


def test_no_dotenv_file_is_no_variables(tmp_path: Path) -> None:
    assert artifacts.read_dotenv(tmp_path / "none") == {}


def test_clearing_forgets_the_last_run(tmp_path: Path) -> None:
    write(tmp_path / "target", {"old": ""})
    artifacts.clear(tmp_path / "target")
    artifacts.clear(tmp_path / "target")
    assert not (tmp_path / "target").exists()
