"""Caches of jobs when drivers and jobs are killed: nothing stays mounted, no lease stays, nothing saved is torn."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from executor.cache.store.model import Place
from executor.cache.store.overlay import mount_lines
from executor.cache.store.store import Store
from tests.e2e.jobs import unique_number, variable
from tests.engine.calls import Host, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.calls import Calls

CACHE = [{"key": "deps", "paths": ["vendor/"]}]
MOMENTS = [0.02, 0.05, 0.08, 0.11, 0.15, 0.2]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A runner's host."""
    made = Host(tmp_path / "host")
    yield made
    made.assert_nothing_left(60)


class Caching:
    """Jobs of one project with a cache."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.project = f"virida/p{unique_number()}"

    def begin(self) -> Calls:
        """A job whose caches are restored."""
        calls = self.host.job(project=self.project, cache=CACHE).prepared()
        assert calls.run(f"mkdir -p /builds/{self.project}", "get_sources").code == 0
        ended = calls.run("echo the script must not run; exit 1", "restore_cache")
        assert ended.code == 0, ended.text
        assert "must not run" not in ended.text
        return calls

    def script(self, calls: Calls, text: str) -> str:
        """What a script in the project's folder prints."""
        ended = calls.run(f"cd /builds/{self.project}\n{text}")
        assert ended.code == 0, ended.text
        return ended.out

    def run(self, text: str) -> str:
        """A whole job."""
        calls = self.begin()
        printed = self.script(calls, text)
        assert calls.run("exit 1", "archive_cache").code == 0
        calls.end()
        return printed

    def mounts(self) -> list[str]:
        """Where overlays are mounted in the host's state folder."""
        return [
            line.target
            for line in mount_lines()
            if line.kind == "overlay" and line.target.startswith(f"{self.host.state_dir}/")
        ]

    def stores(self) -> list[Path]:
        return list((self.host.state_dir / "caches").iterdir())

    def leases(self) -> list[str]:
        return [lease for store in self.stores() for lease in os.listdir(store / "leases")]

    def assert_clean(self) -> None:
        """Nothing is mounted, and no job holds anything of the store."""
        self.host.assert_nothing_left(60)
        wait_until(lambda: not self.leases(), 20)
        assert not self.mounts()


@pytest.fixture
def caching(host: Host) -> Caching:
    """Jobs with a cache on that host."""
    return Caching(host)


def test_a_job_mounts_saves_and_lets_go(caching: Caching) -> None:
    caching.run("mkdir vendor; echo 1 > vendor/x")
    calls = caching.begin()
    assert len(caching.mounts()) == 1
    assert caching.leases() == [Path(os.readlink(calls.tmpdir / "virida-executor")).name]
    assert caching.script(calls, "cat vendor/x; echo 2 > vendor/x") == "1\n"
    assert "Created cache" in calls.run("", "archive_cache").text
    assert caching.script(calls, "cat vendor/x") == "2\n"
    calls.end()
    caching.assert_clean()


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("stage", ["restore_cache", "archive_cache"])
def test_a_driver_that_is_killed_leaves_nothing_and_tears_nothing(caching: Caching, stage: str, moment: float) -> None:
    caching.run("mkdir vendor; for i in $(seq 300); do echo 1 > vendor/$i; done")
    calls = caching.begin()
    caching.script(calls, "for i in $(seq 300); do echo 2 > vendor/$i; done")
    process = calls.begin("run", calls.script(""), stage)
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    calls.end()
    caching.assert_clean()
    seen = caching.run("cat vendor/* | sort | uniq -c")
    assert seen.split() in (["300", "1"], ["300", "2"])
    caching.assert_clean()


def test_a_runner_that_is_killed_leaves_a_mount_to_the_next_job(caching: Caching) -> None:
    caching.run("mkdir vendor; echo 1 > vendor/x")
    calls = caching.begin()
    assert caching.mounts()
    calls.vanish()
    assert caching.run("cat vendor/x") == "1\n"
    caching.assert_clean()


def test_a_kept_folder_is_free_of_the_cache_afterwards(host: Host) -> None:
    caching = Caching(host)
    for number in range(2):
        calls = host.job(git_strategy="fetch", project=caching.project, cache=CACHE).prepared()
        calls.run(f"mkdir -p /builds/{caching.project}/src", "get_sources")
        calls.run("", "restore_cache")
        text = "mkdir -p vendor/a; echo 1 >> vendor/a/x; mv src src2; mkdir -p src; [ -d vendor/b ] && mv vendor/b gone"
        caching.script(calls, f"{text}; mkdir -p vendor/b; touch vendor/b/{number}; rm -rf src2")
        calls.run("", "archive_cache")
        calls.end()
        caching.assert_clean()
    work = next(host.state_dir.glob("builds/*/*/0/work"))
    left = sorted(str(path.relative_to(work / caching.project)) for path in (work / caching.project).rglob("*"))
    assert left == ["src"]
    assert [path.name for path in work.parent.iterdir()] == ["work"]


def test_a_store_that_cannot_be_written_costs_no_job_anything(caching: Caching) -> None:
    caching.run("mkdir vendor; echo 1 > vendor/x")
    store = caching.stores()[0]
    (store / "tmp").rmdir()
    (store / "tmp").write_text("in the way")
    calls = caching.begin()
    caching.script(calls, "mkdir -p vendor; echo 2 > vendor/y; echo 3 > vendor/z")
    ended = calls.run("", "archive_cache")
    assert ended.code == 0
    assert "WARNING" in ended.text
    assert caching.script(calls, "cat vendor/y vendor/z") == "2\n3\n"
    calls.end()
    (store / "tmp").unlink()
    caching.assert_clean()


def test_a_link_in_the_way_leads_nowhere(caching: Caching, tmp_path: Path) -> None:
    (tmp_path / "victim" / "vendor").mkdir(parents=True)
    (tmp_path / "victim" / "vendor" / "secret").write_text("secret")
    calls = host_job(caching, ["pkg/vendor/", "vendor/"])
    caching.script(calls, f"ln -s {tmp_path}/victim pkg; ln -s {tmp_path}/victim/vendor vendor")
    assert calls.run("", "archive_cache").code == 0
    calls.end()
    caching.assert_clean()
    assert (tmp_path / "victim" / "vendor" / "secret").read_text() == "secret"
    stored = [path for store in caching.stores() for path in (store / "l").rglob("*")]
    assert "secret" not in [path.name for path in stored if not path.is_symlink()]


def host_job(caching: Caching, paths: list[str]) -> Calls:
    calls = caching.host.job(project=caching.project, cache=[{"key": "deps", "paths": paths}]).prepared()
    calls.run(f"mkdir -p /builds/{caching.project}", "get_sources")
    calls.run("", "restore_cache")
    return calls


def test_what_a_job_saved_is_finished_after_it(caching: Caching) -> None:
    caching.run("mkdir vendor; echo 1 > vendor/x")
    caching.assert_clean()
    store = Store(str(caching.stores()[0]))
    kept = store.snapshots()
    assert [one.snapshot.place.key for one in kept] == ["deps"]
    assert isinstance(kept[0].snapshot.place, Place)
    layer = kept[0].snapshot.layers[0]
    wait_until(lambda: bool((facts := store.layer(layer)) and facts.synced and facts.digest), 20)


def test_containers_that_are_made_again_see_the_cache_and_it_is_saved(caching: Caching) -> None:
    caching.run("mkdir vendor; echo 1 > vendor/x")
    again = [variable("EXECUTOR_JOB_SECTION_ATTEMPTS", "2")]
    calls = caching.host.job(project=caching.project, cache=CACHE, variables=again).prepared()
    calls.run(f"mkdir -p /builds/{caching.project}", "get_sources")
    calls.run("", "restore_cache")
    for container in json.loads((calls.tmpdir / "virida-executor" / "state.json").read_text())["containers"].values():
        subprocess.run(["docker", "rm", "-f", container], check=True, capture_output=True)
    # What is told of the second attempt stands before it.
    assert caching.script(calls, "cat vendor/x; echo 2 > vendor/x").endswith("1\n")
    assert "Created cache" in calls.run("", "archive_cache").text
    assert caching.script(calls, "cat vendor/x") == "2\n"
    calls.end()
    caching.assert_clean()
    assert caching.run("cat vendor/x") == "2\n"
    caching.assert_clean()
