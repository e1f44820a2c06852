"""Caches: how keys are made, and what restoring and saving do to files, run with both shells."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from executor.pipeline.local import caching
from executor.pipeline.local.caching import Cache, clean_key, resolve_cache
from executor.pipeline.model import CacheSpec
from tests.unit.local.builders import SHELLS, make_paths, run_script, write

if TYPE_CHECKING:
    from executor.pipeline.local.model import Paths

VERSIONS = {"go.sum": "v1", "package-lock.json": "v2"}


def resolve(**fields: Any) -> Cache:
    """A cache whose variables are $REF only."""
    spec = CacheSpec(**fields)
    return resolve_cache(
        spec, expand=lambda text: text.replace("$REF", "main"), version_of=lambda path: VERSIONS.get(path, "")
    )


def key(**fields: Any) -> str:
    """The key that is saved to."""
    return resolve(**fields).keys[0]


class TestKeys:
    """The key decides what jobs share."""

    def test_variables_in_a_key_are_replaced(self) -> None:
        assert key(key="deps-$REF") == "deps-main"

    def test_a_key_of_files_changes_with_the_files(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = key(key_files=("go.sum",))
        monkeypatch.setitem(VERSIONS, "go.sum", "v3")
        assert key(key_files=("go.sum",)) != before

    def test_the_order_of_files_does_not_matter(self) -> None:
        assert key(key_files=("go.sum", "package-lock.json")) == key(key_files=("package-lock.json", "go.sum"))

    def test_a_key_of_files_has_its_prefix_in_front(self) -> None:
        assert key(key_files=("go.sum",), key_prefix="go-$REF").startswith("go-main-")

    def test_no_such_files_make_the_key_default(self) -> None:
        assert key(key_files=("none",), key_prefix="p") == "p-default"

    def test_fallbacks_follow_the_key_once_each(self) -> None:
        assert resolve(key="a", fallback_keys=("b", "a", "c-$REF")).keys == ("a", "b", "c-main")

    @pytest.mark.parametrize(
        ("raw", "clean"),
        [
            ("feature/x", "feature/x"),
            ("../../etc", "etc"),
            ("/abs", "abs"),
            ("a%2f..%2F..%2fb", "b"),
            ("%2e%2e/b", "b"),
            ("a\\..\\b", "b"),
            ("..", "default"),
            ("", "default"),
        ],
    )
    def test_a_key_never_leaves_the_cache_folder(self, raw: str, clean: str) -> None:
        assert clean_key(raw) == clean


@pytest.mark.parametrize(
    ("when", "succeeded", "expected"),
    [
        ("on_success", True, True),
        ("on_success", False, False),
        ("on_failure", True, False),
        ("on_failure", False, True),
        ("always", True, True),
        ("always", False, True),
    ],
)
def test_when_decides_whether_a_cache_is_saved(when: str, succeeded: bool, expected: bool) -> None:
    assert resolve(paths=("a",), when=when).saves(succeeded=succeeded) is expected


def test_a_pull_cache_is_never_saved() -> None:
    assert not resolve(paths=("a",), policy="pull").saves(succeeded=True)


class Folders:
    """A project folder and a cache folder, and the scripts that carry files between them."""

    def __init__(self, shell: str, paths: Paths, folder: Path) -> None:
        self.shell = shell
        self.paths = paths
        self.project = Path(paths.project_dir)
        self.facts_file = folder / "facts"

    def save(self, **fields: Any) -> str:
        """What the log says of archiving."""
        return self._run(caching.archive_cache(self.paths, (), [resolve(**fields)]))

    def restore(self, **fields: Any) -> str:
        """What the log says of restoring into an empty project folder."""
        for path in self.project.iterdir():
            os.system(f"rm -rf '{path}'")
        return self._run(caching.restore_cache(self.paths, (), [resolve(**fields)], facts=str(self.facts_file)))

    @property
    def facts(self) -> str:
        """Hits and misses."""
        return self.facts_file.read_text()

    def files(self) -> list[str]:
        """All files and links of the project."""
        return sorted(str(path.relative_to(self.project)) for path in self.project.rglob("*") if not path.is_dir())

    def _run(self, script: str) -> str:
        done = run_script(self.shell, script)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout


@pytest.fixture(params=SHELLS)
def folders(request: pytest.FixtureRequest, tmp_path: Path) -> Folders:
    """One for each shell."""
    return Folders(request.param, make_paths(tmp_path), tmp_path)


class TestFiles:
    """Restoring gives back what was saved."""

    def test_what_was_saved_comes_back(self, folders: Folders) -> None:
        write(folders.project, {"vendor/a/b.txt": "b", "vendor/-dash name": "x", "other": "o"})
        (folders.project / "vendor/empty").mkdir()
        (folders.project / "vendor/link").symlink_to("a/b.txt")
        assert "Created cache" in folders.save(key="k", paths=("vendor/",))
        log = folders.restore(key="k", paths=("vendor/",))
        assert "Successfully extracted cache" in log
        assert folders.files() == ["vendor/-dash name", "vendor/a/b.txt", "vendor/link"]
        assert (folders.project / "vendor/empty").is_dir()
        assert folders.facts == "hit k\n"

    def test_globs_choose_what_is_saved(self, folders: Folders) -> None:
        write(folders.project, {"a/x.o": "", "a/deep/y.o": "", "a/z.c": ""})
        folders.save(key="k", paths=("a/**/*.o",))
        folders.restore(key="k", paths=())
        assert folders.files() == ["a/deep/y.o", "a/x.o"]

    def test_without_a_saved_cache_the_job_goes_on(self, folders: Folders) -> None:
        log = folders.restore(key="k", paths=("vendor",))
        assert "Cache file does not exist" in log
        assert folders.facts == "miss k\n"

    def test_a_fallback_key_is_tried_next(self, folders: Folders) -> None:
        write(folders.project, {"vendor/a": ""})
        folders.save(key="old", paths=("vendor",))
        folders.restore(key="new", fallback_keys=("none", "old"), paths=("vendor",))
        assert (folders.facts, folders.files()) == ("hit old\n", ["vendor/a"])

    def test_nothing_found_makes_no_cache_and_keeps_the_old_one(self, folders: Folders) -> None:
        write(folders.project, {"vendor/a": ""})
        folders.save(key="k", paths=("vendor",))
        os.system(f"rm -rf '{folders.project}/vendor'")
        assert "WARNING: vendor: no matching files" in folders.save(key="k", paths=("vendor",))
        folders.restore(key="k", paths=())
        assert folders.files() == ["vendor/a"]

    def test_a_damaged_cache_is_a_miss(self, folders: Folders) -> None:
        archive = Path(folders.paths.cache_dir) / "k" / caching.ARCHIVE
        write(archive.parent, {archive.name: "no tar at all"})
        script = caching.restore_cache(folders.paths, (), [resolve(key="k")], facts=str(folders.facts_file))
        done = run_script(folders.shell, script)
        assert (done.returncode, folders.facts) == (0, "miss k\n")
        assert "Failed to extract cache" in done.stdout

    def test_a_push_cache_is_not_restored(self, folders: Folders) -> None:
        assert "Not downloading cache k due to policy" in folders.restore(key="k", policy="push", paths=("a",))

    def test_a_cache_that_cannot_be_written_does_not_fail_the_job(self, folders: Folders) -> None:
        write(folders.project, {"vendor/a": ""})
        write(Path(folders.paths.cache_dir), {"k": "a file where the folder should be"})
        script = caching.archive_cache(folders.paths, (), [resolve(key="k", paths=("vendor",))])
        done = run_script(folders.shell, script)
        assert done.returncode == 0
        assert "Failed to create cache" in done.stdout
