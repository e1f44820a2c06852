"""Caches of whole jobs: mounted below the job's files, saved by renaming, and nothing lost in between."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.jobs import Job, JobRecord, between, marked, unique_number, variable
from tests.e2e.repositories import make_repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import StartRunner
    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner

VENDOR = {"key": "deps", "paths": ["vendor/"]}


@pytest.fixture
def project() -> str:
    """The path of a project that no other test uses."""
    return f"virida/cached{unique_number()}"


def job(project: str, *script: str, cache: list[dict[str, Any]] | dict[str, Any] | None = None, **options: Any) -> Job:
    """A job with caches; `vendor/` under the key `deps` where nothing else is said."""
    caches = cache if isinstance(cache, list) else [cache or VENDOR]
    return Job(script=list(script), project=project, cache=caches, **options)


def printed(record: JobRecord) -> str:
    """What the script printed between its marks, of a job that must have gone well."""
    assert record.outcome == ("success", None, None), record.trace
    return between(record.section("step_script"))


def restored(record: JobRecord) -> str:
    return record.section("restore_cache")


def saved(record: JobRecord) -> str:
    return record.section("archive_cache")


def test_a_cache_is_restored_without_unpacking_and_only_changes_are_saved(runner: GitLabRunner, project: str) -> None:
    first = runner.run(job(project, "mkdir -p vendor/a; for i in $(seq 200); do echo $i > vendor/a/$i; done"))
    assert "WARNING: Cache file does not exist" in restored(first)
    assert "vendor/: found 200 matching files" in saved(first)
    assert "Created cache" in saved(first)
    second = runner.run(job(project, marked("cat vendor/a/7"), "echo new > vendor/b; rm vendor/a/9"))
    assert printed(second) == "7\n"
    assert re.search(rf"200 files, 1 layer, \d s old \(job {first.job.id}\)", restored(second)), restored(second)
    assert "Successfully extracted cache" in restored(second)
    assert ", 1 file new of" in saved(second)
    assert "200 files, 2 layers" in saved(second)
    third = runner.run(job(project, marked("cat vendor/b; ls vendor/a | wc -l")))
    assert printed(third) == "new\n199\n"
    assert "200 files, 2 layers" in restored(third)
    assert "Archive is up to date!" in saved(third)


def test_what_is_cached_is_still_there_for_artifacts(runner: GitLabRunner, project: str) -> None:
    artifacts = [{"paths": ["vendor/", "out"]}]
    script = ["mkdir -p vendor; date >> vendor/lib; wc -l < vendor/lib", "echo out > out"]
    for _ in range(2):
        record = runner.run(job(project, *script, artifacts=artifacts))
        assert record.outcome == ("success", None, None), record.trace
        assert "Created cache" in saved(record)
        assert "vendor/: found 2 matching artifact files" in record.section("upload_artifacts_on_success")


@pytest.mark.parametrize("strategy", ["clone", "fetch"])
def test_sources_and_caches_lie_side_by_side(
    runner: GitLabRunner, repositories: Path, project: str, strategy: str
) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n", ".gitignore": "vendor/\n"})
    script = [
        "mkdir -p vendor; echo data >> vendor/lib",
        marked("git status --short; cat README.md; wc -l < vendor/lib"),
    ]
    for count in (1, 2, 3):
        record = runner.run(
            job(project, *script, sha=sha, git_strategy=strategy, image="virida-executor/helper"),
        )
        assert printed(record) == f"demo\n{count}\n"
        runner.assert_nothing_left()
    assert "Removing vendor" not in record.section("get_sources")


def test_several_caches_of_one_job(runner: GitLabRunner, project: str) -> None:
    caches = [{"key": "a", "paths": ["a/", "shared/a"]}, {"key": "b", "paths": ["b", "shared/b"]}]
    runner.run(job(project, "mkdir a shared; echo 1 | tee a/x shared/a b shared/b", cache=caches))
    record = runner.run(job(project, marked("cat a/x b shared/a shared/b"), "echo 2 > b", cache=caches))
    assert printed(record) == "1\n1\n1\n1\n"
    assert restored(record).count("Successfully extracted cache") == 2
    assert saved(record).count("Archive is up to date!") == 1
    record = runner.run(job(project, marked("cat a/x b"), cache=[caches[1]]))
    assert record.state == "failed"
    assert "\n2\n" in record.section("step_script")


@pytest.mark.parametrize(
    "key",
    ["../../..", "a/../../b", "x" * 5000, "%2e%2e/%2e%2e/x", "a\nb", "$(id)`id`", "a b\\c", "é/日本"],
    ids=["climbs", "climbs to a name", "long", "encoded", "lines", "shell", "windows", "unicode"],
)
def test_a_key_of_any_kind(runner: GitLabRunner, project: str, key: str) -> None:
    cache = {"key": key, "paths": ["vendor/"]}
    for count in (1, 2):
        record = runner.run(
            job(project, "mkdir -p vendor; echo x >> vendor/x", marked("wc -l < vendor/x"), cache=cache)
        )
        expected = 1 if key == "../../.." else count
        assert printed(record) == f"{expected}\n"
    empty = "Skipping cache extraction due to empty cache key" in restored(record)
    assert empty == (key == "../../..")


def test_fallback_keys_are_tried_in_order(runner: GitLabRunner, project: str) -> None:
    runner.run(job(project, "mkdir vendor; echo main > vendor/x", cache={"key": "main", "paths": ["vendor/"]}))
    cache = {"key": "branch", "fallback_keys": ["none", "main"], "paths": ["vendor/"]}
    record = runner.run(job(project, marked("cat vendor/x"), cache=cache))
    assert printed(record) == "main\n"
    keys = [line for line in restored(record).splitlines() if line.startswith("Checking")]
    assert keys == [f"Checking cache for {key}..." for key in ("branch", "none", "main")]
    assert "Created cache" in saved(record)
    record = runner.run(job(project, marked("cat vendor/x"), cache={"key": "branch", "paths": ["vendor/"]}))
    assert printed(record) == "main\n"


def test_the_last_resort_is_a_variable_but_never_a_protected_key(runner: GitLabRunner, project: str) -> None:
    for key in ("spare", "spare-protected"):
        runner.run(job(project, f"mkdir vendor; echo {key} > vendor/x", cache={"key": key, "paths": ["vendor/"]}))
    found = runner.run(job(project, marked("cat vendor/x"), variables=[variable("CACHE_FALLBACK_KEY", "spare")]))
    assert printed(found) == "spare\n"
    other = {"key": "other", "paths": ["vendor/"]}
    refused = [variable("CACHE_FALLBACK_KEY", "spare-protected. ")]
    record = runner.run(job(project, marked("ls"), cache=other, variables=refused))
    assert printed(record) == ""
    assert 'not allowed to end in "-protected"' in restored(record)


@pytest.mark.parametrize(("policy", "finds", "leaves"), [("pull", "1", "1"), ("push", "-", "2"), ("$POLICY", "1", "1")])
def test_a_policy_says_what_is_restored_and_saved(
    runner: GitLabRunner, project: str, policy: str, finds: str, leaves: str
) -> None:
    runner.run(job(project, "mkdir vendor; echo 1 > vendor/x"))
    look = marked("cat vendor/x || echo -")
    record = runner.run(
        job(
            project,
            look,
            "mkdir -p vendor; echo 2 > vendor/x",
            cache={**VENDOR, "policy": policy},
            variables=[variable("POLICY", "pull")],
        )
    )
    assert printed(record).splitlines()[-1] == finds
    assert printed(runner.run(job(project, look))) == f"{leaves}\n"


@pytest.mark.parametrize(
    ("when", "after_success", "after_failure"),
    [
        ("on_success", True, False),
        ("on_failure", False, True),
        ("always", True, True),
    ],
)
def test_a_cache_is_saved_when_the_job_says(
    runner: GitLabRunner, project: str, when: str, after_success: bool, after_failure: bool
) -> None:
    for code, expected in ((0, after_success), (3, after_failure)):
        cache = {"key": f"k{code}", "paths": ["vendor/"], "when": when}
        record = runner.run(job(project, f"mkdir vendor; echo 1 > vendor/x; exit {code}", cache=cache))
        assert ("Created cache" in record.trace) is expected, record.trace
        found = runner.run(job(project, marked("ls"), cache={**cache, "policy": "pull"}))
        assert printed(found) == ("vendor\n" if expected else "")


def test_globs_and_paths_that_are_nowhere_or_outside(runner: GitLabRunner, project: str) -> None:
    paths = ["**/*.o", "packages/*/node_modules", "$DIR/", "none/", "../outside", "/etc/passwd", "$CI_PROJECT_DIR/abs"]
    cache = {"key": "k", "paths": paths}
    files = "src/x.o src/deep/y.o src/x.c packages/a/node_modules/m packages/b/node_modules/m named/n abs top.o"
    script = ["mkdir -p src/deep packages/a/node_modules packages/b/node_modules named", f"echo 1 | tee {files}"]
    first = runner.run(job(project, *script, cache=cache, variables=[variable("DIR", "named")]))
    relative = f"Ensure that the artifact path is relative to the working directory (/builds/{project})"
    assert f"none/: no matching files. {relative}" in saved(first)
    assert "artifact path is not a subpath of project directory: ../outside" in saved(first)
    assert "artifact path is not a subpath of project directory: /etc/passwd" in saved(first)
    second = runner.run(
        job(project, marked("find . -type f | sort"), cache=cache, variables=[variable("DIR", "named")])
    )
    expected = [
        "abs",
        "named/n",
        "packages/a/node_modules/m",
        "packages/b/node_modules/m",
        "src/deep/y.o",
        "src/x.o",
        "top.o",
    ]
    assert printed(second).split() == [f"./{path}" for path in expected]


def test_untracked_files_are_cached_with_the_ignored_ones(
    runner: GitLabRunner, repositories: Path, project: str
) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n", ".gitignore": "ignored\n"})
    cache = {"key": "k", "untracked": True}
    script = ["echo 1 | tee new ignored; mkdir -p folder/deep; echo 1 > folder/deep/x; echo changed >> README.md"]
    first = runner.run(job(project, *script, cache=cache, sha=sha, git_strategy="clone"))
    assert "untracked: found 3 matching files" in saved(first)
    look = marked("find . -name .git -prune -o -type f -print | sort; wc -l < README.md")
    second = runner.run(job(project, look, "rm -r folder", cache=cache, sha=sha, git_strategy="clone"))
    assert printed(second).split() == ["./.gitignore", "./README.md", "./folder/deep/x", "./ignored", "./new", "1"]
    third = runner.run(job(project, look, cache=cache, sha=sha, git_strategy="clone"))
    assert printed(third).split() == ["./.gitignore", "./README.md", "./ignored", "./new", "1"]


def test_a_cached_path_that_the_checkout_has_too(runner: GitLabRunner, repositories: Path, project: str) -> None:
    sha = make_repository(repositories, project, {"lock": "of the checkout\n", "vendor": "a file of the checkout\n"})
    caches = [{"key": "a", "paths": ["lock"]}, {"key": "b", "paths": ["vendor/"]}]
    options: dict[str, Any] = {"cache": caches, "sha": sha, "git_strategy": "clone"}
    runner.run(job(project, "echo changed > lock; rm vendor; mkdir vendor; echo x > vendor/x", **options))
    record = runner.run(job(project, marked("cat lock vendor/x"), **options))
    assert printed(record) == "changed\nx\n"
    assert "copied" in restored(record)


def test_of_overlapping_caches_the_later_lies_on_top(runner: GitLabRunner, project: str) -> None:
    caches = [{"key": "outer", "paths": ["a/"]}, {"key": "inner", "paths": ["a/b/"]}]
    runner.run(job(project, "mkdir -p a/b; echo 1 | tee a/x a/b/y", cache=caches))
    runner.run(job(project, "echo 2 > a/b/y; echo 2 > a/x", cache=[caches[1]]))
    record = runner.run(job(project, marked("cat a/x a/b/y"), "echo 3 > a/b/y", cache=caches))
    assert printed(record) == "1\n2\n"
    record = runner.run(job(project, marked("cat a/x a/b/y"), cache=caches))
    assert printed(record) == "1\n3\n"


def test_a_folder_is_replaced_removed_and_renamed(runner: GitLabRunner, project: str) -> None:
    runner.run(job(project, "mkdir -p vendor/a vendor/b; echo 1 | tee vendor/a/x vendor/b/x"))
    replace = ["rm -rf vendor", "mkdir -p vendor/c", "echo 2 > vendor/c/x"]
    assert runner.run(job(project, *replace)).state == "success"
    rename = [marked("find vendor -type f"), "mv vendor/c vendor/d", "mv vendor vendor2 && mv vendor2 vendor"]
    record = runner.run(job(project, *rename))
    assert printed(record) == "vendor/c/x\n"
    record = runner.run(job(project, marked("find vendor -type f"), "rm -rf vendor"))
    assert printed(record) == "vendor/d/x\n"
    assert "vendor/: no matching files" in saved(record)
    assert printed(runner.run(job(project, marked("find vendor -type f")))) == "vendor/d/x\n"


def test_what_is_moved_out_of_a_cache_is_not_lost(runner: GitLabRunner, project: str) -> None:
    runner.run(job(project, "mkdir -p vendor/big vendor/rest; echo 1 | tee vendor/big/x vendor/rest/y"))
    artifacts = [{"paths": ["elsewhere/"]}]
    record = runner.run(job(project, "mv vendor/big elsewhere; echo 2 > elsewhere/new", artifacts=artifacts))
    assert record.outcome == ("success", None, None), record.trace
    assert "elsewhere/: found 3 matching artifact files" in record.section("upload_artifacts_on_success")
    assert printed(runner.run(job(project, marked("find . -type f")))) == "./vendor/rest/y\n"


def test_links_modes_owners_and_holes_stay_as_they_are(runner: GitLabRunner, project: str) -> None:
    make = """
mkdir vendor; cd vendor || exit
echo 1 > file; ln file hard; ln -s file soft; ln -s /nowhere dangling
chmod 0751 file; mkdir -m 0700 closed; echo 1 > closed/x; mkdir empty; mkdir -m 0555 read-only
truncate -s 1G sparse; chown 1234:2345 file; chown -h 77 soft; mkdir -m 1777 sticky
touch -d 2020-02-02T02:02:02 old
cd ..
"""
    look = marked(
        "cd vendor; stat -c '%n %F %a %u:%g %h %s %b %N' * closed/x; stat -c '%Y' old; [ file -ef hard ] && echo same"
    )
    first = runner.run(job(project, make, look))
    second = runner.run(job(project, look, "echo 2 >> closed/x"))
    third = runner.run(job(project, look, "echo 2 >> closed/x"))
    assert printed(second) == printed(first)
    # Of a folder that is merged of two the kernel counts no links.
    seen = [[line for line in printed(record).splitlines() if "closed" not in line] for record in (first, third)]
    assert seen[0] == seen[1]


def test_users_share_a_cache(runner: GitLabRunner, project: str, image: Callable[[str], str]) -> None:
    nobody = image("virida-executor/test-nonroot")
    runner.run(job(project, "mkdir -m 0777 vendor; umask 0; echo root > vendor/x"))
    record = runner.run(
        job(project, marked("id -u; cat vendor/x"), "echo user >> vendor/x; echo u > vendor/u", image=nobody)
    )
    assert printed(record) == "1000\nroot\n"
    record = runner.run(job(project, marked("cat vendor/x; stat -c %u vendor/u")))
    assert printed(record) == "root\nuser\n1000\n"


def test_a_process_that_stays_in_the_cache_holds_nothing_up(runner: GitLabRunner, project: str) -> None:
    stay = "(cd vendor; exec setsid sleep 300) > /dev/null 2>&1 &"
    runner.run(job(project, "mkdir vendor; echo 1 > vendor/x"))
    record = runner.run(job(project, stay, "echo 2 > vendor/x"))
    assert "Created cache" in saved(record), record.trace
    assert printed(runner.run(job(project, marked("cat vendor/x")))) == "2\n"


def test_a_service_that_uses_the_cache_makes_it_a_copy(
    runner: GitLabRunner, project: str, image: Callable[[str], str]
) -> None:
    runner.run(job(project, "mkdir vendor; echo 1 > vendor/x"))
    place = f"/builds/{project}/vendor"
    follow = f"while ! [ -e {place}/x ]; do sleep 0.1; done; cd {place}; echo in > seen; sleep 300"
    service = {"name": "debian:12", "alias": "user", "entrypoint": ["sh", "-c", follow], "command": []}
    wait = "for i in $(seq 50); do [ -e vendor/seen ] && break; sleep 0.1; done"
    record = runner.run(job(project, wait, "echo 2 > vendor/x", services=[service]))
    assert "Caches are copied, not moved" in saved(record), record.trace
    assert "Created cache" in saved(record)
    assert printed(runner.run(job(project, marked("cat vendor/seen vendor/x")))) == "in\n2\n"


def test_a_canceled_job_saves_nothing_and_leaves_nothing(runner: GitLabRunner, project: str) -> None:
    runner.run(job(project, "mkdir vendor; echo 1 > vendor/x"))
    record = runner.submit(job(project, "echo 2 > vendor/x; echo going; sleep 60"))
    record.wait_for_output("\ngoing")
    record.status = "canceled"
    record.wait()
    assert "Created cache" not in record.trace
    runner.assert_nothing_left()
    assert printed(runner.run(job(project, marked("cat vendor/x")))) == "1\n"


def test_jobs_of_one_key_at_once_spoil_nothing(runner: GitLabRunner, project: str) -> None:
    runner.run(job(project, "mkdir vendor; echo 0 > vendor/first"))
    script = "cat vendor/first; echo $CI_JOB_ID > vendor/$CI_JOB_ID; sleep 1"
    records = [runner.submit(job(project, script)) for _ in range(4)]
    for record in records:
        assert record.wait().outcome == ("success", None, None), record.trace
    found = printed(runner.run(job(project, marked("ls vendor")))).split()
    assert found[-1] == "first"
    assert len(found) == 2


def test_protected_refs_have_caches_of_their_own(runner: GitLabRunner, project: str) -> None:
    def of(key: str, protected: bool, *script: str) -> JobRecord:
        one = job(project, *script, cache={"key": key, "paths": ["vendor/"]})
        one.protected = protected
        return runner.run(one)

    of("k-protected", True, "mkdir vendor; echo secret > vendor/x")
    assert printed(of("k-protected", False, marked("ls"), "mkdir vendor; echo poison > vendor/x")) == ""
    assert printed(of("k-protected/.", False, marked("cat vendor/x"))) == "poison\n"
    assert printed(of("k-protected", True, marked("cat vendor/x"))) == "secret\n"
    of("shared", False, "mkdir vendor; echo of all > vendor/x")
    assert printed(of("shared", True, marked("cat vendor/x"))) == "of all\n"


def test_an_operator_leaves_caches_to_the_runner(start_runner: StartRunner, project: str) -> None:
    runner = start_runner(executor_options='[cache]\nmode = "archive"\n')
    for count in (1, 2):
        record = runner.run(job(project, "mkdir -p vendor; echo x >> vendor/x", marked("wc -l < vendor/x")))
        assert printed(record) == f"{count}\n"
    assert list(runner.settings.state_dir.glob("cache/**/cache.zip"))
    assert not (runner.settings.state_dir / "caches").exists()


def test_a_job_without_caches_makes_no_store(start_runner: StartRunner) -> None:
    runner = start_runner()
    assert runner.run(Job(script=["true"])).state == "success"
    assert not (runner.settings.state_dir / "caches").exists()


def test_sources_in_a_place_of_the_jobs_choice(runner: GitLabRunner, repositories: Path, project: str) -> None:
    sha = make_repository(repositories, project, {"README.md": "demo\n"})
    for place, count in (("one/two", 1), ("one/two", 2), ("three", 3)):
        record = runner.run(
            job(
                project,
                "mkdir -p vendor; echo x >> vendor/x",
                marked("pwd; wc -l < vendor/x"),
                sha=sha,
                git_strategy="clone",
                variables=[variable("GIT_CLONE_PATH", f"$CI_BUILDS_DIR/{place}")],
            )
        )
        assert printed(record) == f"/builds/{place}\n{count}\n"
    assert "copied" in restored(record)


def test_caches_on_another_file_system_are_copied(start_runner: StartRunner, project: str) -> None:
    store = f"/dev/shm/virida-caches-{unique_number()}"
    runner = start_runner(executor_options=f'[cache]\nstore = "{store}"\n')
    try:
        runner.run(job(project, "mkdir -p vendor/a; echo 1 > vendor/a/x; ln -s a vendor/b"))
        record = runner.run(job(project, marked("cat vendor/b/x")))
        assert printed(record) == "1\n"
        assert ", copied, " in restored(record)
        assert "Archive is up to date!" in saved(record)
        record = runner.run(job(project, "rm vendor/a/x; echo 2 > vendor/y"))
        assert "Created cache" in saved(record)
        assert "Archive is up to date!" not in saved(record)
        assert printed(runner.run(job(project, marked("find vendor | sort")))).split() == [
            "vendor",
            "vendor/a",
            "vendor/b",
            "vendor/y",
        ]
    finally:
        shutil.rmtree(store, ignore_errors=True)


def test_a_place_that_the_job_forges_leaves_the_cache_to_the_runner(runner: GitLabRunner, project: str) -> None:
    forged = [variable("CI_PROJECT_DIR", "/builds/../etc")]
    record = runner.run(job(project, "true", variables=forged))
    assert "restored" not in restored(record)
    runner.assert_nothing_left()


def test_an_image_that_runs_as_somebody_finds_room_beside_a_cache(
    runner: GitLabRunner, project: str, image: Callable[[str], str]
) -> None:
    nobody = image("virida-executor/test-nonroot")
    cache = {"key": "k", "paths": ["home/.cache/pip"]}
    for count in (1, 2, 3):
        script = ["mkdir -p home/.cache/pip home/.cache/npm", "echo x >> home/.cache/pip/x; touch home/.cache/npm/y"]
        record = runner.run(job(project, *script, marked("wc -l < home/.cache/pip/x"), cache=cache, image=nobody))
        assert printed(record) == f"{count}\n"
