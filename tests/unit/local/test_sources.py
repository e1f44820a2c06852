"""The repository as jobs get it, made with real git."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from executor.errors import UsageError
from executor.pipeline.local.repository import changed_since, find_root, parse_origin, read_repository
from executor.pipeline.local.sources import deliver_sources, deliver_submodules, describe_sources
from executor.pipeline.local.versions import version_of
from tests.unit.local.builders import commit, git, write


def deliver(origin: Path, *, committed_only: bool = False) -> Path:
    """The delivered folder."""
    target = origin.parent / "sources"
    deliver_sources(read_repository(origin), target, committed_only=committed_only)
    return target


def files(folder: Path) -> dict[str, str]:
    """All files with content; links by where they lead."""
    found = [path for path in folder.rglob("*") if ".git" not in path.parts and (path.is_symlink() or path.is_file())]
    return {
        str(path.relative_to(folder)): f"-> {os.readlink(path)}" if path.is_symlink() else path.read_text()
        for path in found
    }


class TestDelivery:
    """A clone at HEAD and what is not committed."""

    def test_history_and_tags_are_there(self, origin: Path) -> None:
        commit(origin, {"a": "1"})
        git(origin, "tag", "v1.0")
        commit(origin, {"a": "2"}, "second")
        sources = deliver(origin)
        assert git(sources, "describe", "--tags").startswith("v1.0-1-g")
        assert git(sources, "log", "--format=%s").split() == ["second", "change"]

    def test_uncommitted_changes_are_laid_over_it(self, origin: Path) -> None:
        commit(origin, {"kept": "k", "changed": "old", "deleted": "d", "staged": "old", "moved": "m"})
        write(origin, {"changed": "new", "new/file": "n", "staged": "new"})
        (origin / "deleted").unlink()
        git(origin, "add", "staged")
        git(origin, "mv", "moved", "renamed")
        assert files(deliver(origin)) == {
            "kept": "k",
            "changed": "new",
            "new/file": "n",
            "staged": "new",
            "renamed": "m",
        }

    def test_only_the_commit_where_asked_for(self, origin: Path) -> None:
        commit(origin, {"a": "committed", "gone": "here"})
        write(origin, {"a": "changed", "b": "new"})
        (origin / "gone").unlink()
        assert files(deliver(origin, committed_only=True)) == {"a": "committed", "gone": "here"}

    def test_ignored_files_stay_away(self, origin: Path) -> None:
        commit(origin, {".gitignore": "secret\n"})
        write(origin, {"secret": "s", "seen": "s"})
        assert sorted(files(deliver(origin))) == [".gitignore", "seen"]

    def test_permissions_and_links_are_kept(self, origin: Path) -> None:
        commit(origin, {"tool": "#!/bin/sh\n", "target": "t"})
        (origin / "tool").chmod(0o755)
        (origin / "link").symlink_to("/nowhere/at all")
        sources = deliver(origin)
        assert os.access(sources / "tool", os.X_OK)
        assert os.readlink(sources / "link") == "/nowhere/at all"

    def test_a_file_that_became_a_folder_and_the_other_way_round(self, origin: Path) -> None:
        commit(origin, {"file": "f", "folder/a": "a"})
        (origin / "file").unlink()
        (origin / "folder/a").unlink()
        (origin / "folder").rmdir()
        write(origin, {"file/b": "b", "folder": "now a file"})
        assert files(deliver(origin)) == {"file/b": "b", "folder": "now a file"}

    def test_nothing_is_written_through_a_committed_link(self, origin: Path) -> None:
        """The commit has a link to another folder where the working copy has a folder of its own."""
        outside = origin.parent / "outside"
        write(outside, {"a": "precious"})
        (origin / "folder").symlink_to(outside)
        commit(origin, {})
        (origin / "folder").unlink()
        write(origin, {"folder/a": "mine"})
        assert files(deliver(origin)) == {"folder/a": "mine"}
        assert (outside / "a").read_text() == "precious"

    def test_odd_names(self, origin: Path) -> None:
        commit(origin, {})
        write(origin, {"with space": "1", "new\nline": "2", "ümlaut": "3", "-dash": "4", '"quoted"': "5"})
        assert sorted(files(deliver(origin)).values()) == list("12345")

    def test_the_users_repository_is_not_touched(self, origin: Path) -> None:
        commit(origin, {"a": "1"})
        write(origin, {"a": "2", "b": "3"})
        git(origin, "add", "b")
        before = git(origin, "status", "--porcelain")
        hook = origin / ".git/hooks/post-checkout"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {origin}/hooked\n")
        hook.chmod(0o755)
        deliver(origin)
        assert git(origin, "status", "--porcelain") == before

    def test_objects_borrowed_from_elsewhere_come_along(self, origin: Path) -> None:
        commit(origin, {"a": "1"})
        borrower = origin.parent / "borrower"
        git(origin, "clone", "--quiet", "--shared", str(origin), str(borrower))
        sources = deliver(borrower)
        assert not (sources / ".git/objects/info/alternates").exists()
        assert git(sources, "log", "--format=%s").strip() == "change"

    def test_a_linked_worktree_is_a_repository_too(self, origin: Path) -> None:
        commit(origin, {"a": "1"})
        git(origin, "worktree", "add", "--quiet", "-b", "other", str(origin.parent / "tree"))
        write(origin.parent / "tree", {"b": "2"})
        assert files(deliver(origin.parent / "tree")) == {"a": "1", "b": "2"}

    def test_any_user_of_an_image_may_change_the_files(self, origin: Path) -> None:
        commit(origin, {"a": "1"})
        write(origin, {"b": "2"})
        sources = deliver(origin)
        assert {(sources / name).stat().st_mode & 0o777 for name in "ab"} == {0o666}

    def test_the_log_says_what_is_checked_out(self, origin: Path) -> None:
        sha = commit(origin, {"a": "1"})
        write(origin, {"b": "2"})
        text = describe_sources(read_repository(origin), committed_only=False)
        assert text == f"Checking out {sha[:8]} as detached HEAD (ref is main) + 1 uncommitted file..."


class TestSubmodules:
    """Working copies of submodules, apart from the sources."""

    def test_they_come_with_their_changes_and_their_own_submodules(self, origin: Path) -> None:
        inner, outer = origin.parent / "inner", origin.parent / "outer"
        for folder in (inner, outer):
            folder.mkdir()
            git(folder, "init", "--quiet")
        commit(inner, {"deep": "d"})
        commit(outer, {"a": "old"})
        for parent, child, name in ((outer, inner, "inner"), (origin, outer, "lib/outer")):
            git(parent, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(child), name)
            commit(parent, {})
        update = ["submodule", "--quiet", "update", "--init", "--recursive"]
        git(origin, "-c", "protocol.file.allow=always", *update)
        write(origin, {"lib/outer/a": "changed", "lib/outer/new": "n"})
        target = origin.parent / "submodules"
        assert deliver_submodules(read_repository(origin), target)
        found = files(target)
        assert found.pop("lib/outer/.gitmodules")
        assert found == {"lib/outer/a": "changed", "lib/outer/new": "n", "lib/outer/inner/deep": "d"}

    def test_none(self, origin: Path) -> None:
        commit(origin, {"a": "1"})
        assert not deliver_submodules(read_repository(origin), origin.parent / "submodules")


class TestRepository:
    """What git is asked."""

    def test_a_branch(self, origin: Path) -> None:
        first = commit(origin, {"a": "1"})
        sha = commit(origin, {"a": "2"}, "Title\n\nBody of it")
        repository = read_repository(origin)
        assert (repository.sha, repository.before_sha) == (sha, first)
        assert (repository.branch, repository.tag, repository.ref) == ("main", "", "main")
        assert repository.message == "Title\n\nBody of it"
        assert repository.author == "Ada <ada@example.org>"

    def test_a_tag_that_is_checked_out(self, origin: Path) -> None:
        commit(origin, {"a": "1"})
        git(origin, "tag", "v1")
        git(origin, "checkout", "--quiet", "--detach", "v1")
        repository = read_repository(origin)
        assert (repository.branch, repository.tag) == ("", "v1")

    def test_the_first_commit_has_no_commit_before(self, origin: Path) -> None:
        commit(origin, {"a": "1"})
        assert read_repository(origin).before_sha == "0" * 40

    def test_no_commit_yet(self, origin: Path) -> None:
        with pytest.raises(UsageError, match="has no commit yet"):
            read_repository(origin)

    def test_no_repository(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="is not in a git repository"):
            find_root(tmp_path)

    def test_the_root_is_found_from_below(self, origin: Path) -> None:
        write(origin, {"a/b/c": ""})
        assert find_root(origin / "a/b") == origin.resolve()

    @pytest.mark.parametrize(
        ("url", "server", "path"),
        [
            ("https://gitlab.example.org/virida/demo.git", "https://gitlab.example.org", "virida/demo"),
            ("https://user:s3cret@gitlab.example.org:8443/a/b/c", "https://gitlab.example.org:8443", "a/b/c"),
            ("http://gitlab.example.org/a/b.git", "http://gitlab.example.org", "a/b"),
            ("git@gitlab.example.org:virida/demo.git", "https://gitlab.example.org", "virida/demo"),
            ("ssh://git@gitlab.example.org:2222/virida/demo.git", "https://gitlab.example.org", "virida/demo"),
            ("/srv/git/demo.git", "https://localhost", "local/demo"),
            ("", "https://localhost", "local/demo"),
            ("https://gitlab.example.org/../../a b;c", "https://gitlab.example.org", "a-b-c"),
        ],
    )
    def test_server_and_path_come_from_the_origin_without_credentials(self, url: str, server: str, path: str) -> None:
        assert parse_origin(url, "demo") == (server, path)


class TestChanges:
    """What `rules:changes` and cache keys look at."""

    def test_changes_since_the_default_branch_and_uncommitted_ones(self, origin: Path) -> None:
        commit(origin, {"a": "1"})
        git(origin, "checkout", "--quiet", "-b", "work")
        commit(origin, {"b": "1"})
        write(origin, {"c": "1"})
        assert changed_since(origin, None, "main") == ["b", "c"]

    def test_changes_on_the_default_branch_are_those_of_the_last_commit(self, origin: Path) -> None:
        commit(origin, {"a": "1"})
        commit(origin, {"b": "1"})
        assert changed_since(origin, None, "main") == ["b"]

    def test_in_the_first_commit_everything_is_changed(self, origin: Path) -> None:
        commit(origin, {"a": "1", "b": "1"})
        assert changed_since(origin, None, "main") == ["a", "b"]

    def test_the_version_of_a_file_is_its_last_commit_or_its_new_content(self, origin: Path) -> None:
        sha = commit(origin, {"lock": "1"})
        commit(origin, {"other": "1"})
        clean = read_repository(origin)
        write(origin, {"lock": "2"})
        changed = read_repository(origin)
        assert version_of(clean, "lock", committed_only=False) == sha
        assert version_of(changed, "lock", committed_only=True) == sha
        assert version_of(changed, "lock", committed_only=False) not in ("", sha)
        assert version_of(changed, "none", committed_only=False) == ""
