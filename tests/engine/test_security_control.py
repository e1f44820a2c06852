"""What a job does to the folder through which it is driven: it harms itself at most, and the driver neither hangs,
crashes nor blames another.
"""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engine.calls import Calls, Host, wait_until
from tests.engine.security import host_in, inspected

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTROL = "/.virida-executor"
MEGA = 1 << 20


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with host_in(tmp_path / "host") as host:
        yield host


@pytest.fixture
def calls(host: Host) -> Calls:
    return host.job().prepared()


def goes_on(calls: Calls) -> None:
    """Both containers still run stages, and their exit codes are their own."""
    for stage in ("after_script", "archive_cache"):
        began = time.monotonic()
        ended = calls.run("echo alive; exit 5", stage)
        assert ended.out == "alive\n", ended.text
        assert calls.exit_code_file.read_text() == "5\n"
        assert time.monotonic() - began < 5


# What a script says in the loop's name, before it exits with 3.
_WORDS = {
    "half a line": "printf garbage",
    "lines": "printf 'garbage\\n\\n  \\n'",
    "codes of other stages": "printf '1-1 0\\n2-2 0\\n'",
    "a code that is no number": "printf '%s x\\n' \"$id\"",
    "a code without end": "printf '%s %05000d\\n' \"$id\" 9",
    "another ready": "printf 'ready 1 $(reboot) \\n'",
    "a ready that spares all": "printf 'ready 1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 \\n'",
    "no UTF-8": "printf 'ready \\377\\376 1\\n\\377 0\\n'",
    "NULs": "printf 'ready \\0 \\0\\n'",
}


@pytest.mark.parametrize("words", _WORDS.values(), ids=_WORDS.keys())
@pytest.mark.parametrize("stage", ["build_script", "get_sources"])
def test_words_that_are_not_the_loops(calls: Calls, words: str, stage: str) -> None:
    script = f"id=$(basename {CONTROL}/*.script .script)\n{words} > {CONTROL}/status\nexit 3"
    ended = calls.run(script, stage)
    assert (ended.code, calls.exit_code_file.read_text()) == (1, "3\n"), ended.text
    goes_on(calls)


def test_a_flood_of_words_fills_nobodys_memory(calls: Calls) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    ended = calls.run(f"head -c 300000000 /dev/zero > {CONTROL}/status; exit 3")
    assert (ended.code, calls.exit_code_file.read_text()) == (1, "3\n"), ended.text
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert max(after - before, 0) * 1024 < 100 * MEGA
    goes_on(calls)


def test_a_forged_end_is_the_jobs_own(calls: Calls) -> None:
    script = f'echo "$(basename {CONTROL}/*.script .script) 0" > {CONTROL}/status; sleep 2; touch /builds/went-on'
    assert calls.run(script).code == 0
    ended = calls.run("echo next", "archive_cache")
    assert (ended.code, ended.out) == (0, "next\n")
    assert calls.run("test -e /builds/went-on && exit 7", "after_script").code == 1
    assert calls.exit_code_file.read_text() == "7\n"


_IDS = {
    "half an id": "printf 12-",
    "a path": "printf '../../builds/evil\\n'",
    "options": "printf '%s\\n' -c --version",
    "many": "seq 1 500",
    "nothing": "printf '\\n\\n\\n'",
}


@pytest.mark.parametrize("ids", _IDS.values(), ids=_IDS.keys())
@pytest.mark.parametrize("stage", ["build_script", "get_sources"])
def test_ids_that_are_not_the_drivers(calls: Calls, ids: str, stage: str) -> None:
    evil = "echo 'touch /builds/ran' > /builds/evil.script; mkfifo /builds/evil.out"
    assert calls.run(f"{evil}\n{ids} > {CONTROL}/go", stage).code == 0
    goes_on(calls)
    assert calls.run("test ! -e /builds/ran").code == 0


_DAMAGE = {
    "files removed": f"rm -rf {CONTROL}/* {CONTROL}",
    "rights taken": f"chmod -R 0 {CONTROL}",
    "owner changed": f"chown -R 4242 {CONTROL}",
    "files added": f"touch {CONTROL}/x; mkfifo {CONTROL}/y; ln -s / {CONTROL}/z",
    "script replaced": f"for script in {CONTROL}/*.script; do echo exit 0 > $script; done",
    "mounted over": f"mount -t tmpfs none {CONTROL}; mount -o remount,rw {CONTROL}; mount --bind /tmp {CONTROL}",
    "moved": f"mv {CONTROL} /elsewhere",
}


@pytest.mark.parametrize("damage", _DAMAGE.values(), ids=_DAMAGE.keys())
@pytest.mark.parametrize("stage", ["build_script", "get_sources"])
def test_the_folder_cannot_be_changed(host: Host, calls: Calls, damage: str, stage: str) -> None:
    (folder,) = (host.state_dir / "jobs").iterdir()
    assert calls.run(f"({damage}) 2>/dev/null\nexit 3", stage).code == 1
    assert calls.exit_code_file.read_text() == "3\n"
    for role in ("helper", "build"):
        found = {path.name: path.lstat() for path in (folder / role / "ctl").iterdir()}
        assert set(found) == {"go", "status"}
        assert {(entry.st_uid, entry.st_mode & 0o777) for entry in found.values()} == {(0, 0o666)}
    goes_on(calls)


@pytest.mark.parametrize("victims", ["-9 $PPID", "-9 1", "-9 -1", "-STOP $PPID", "-TERM -1"])
def test_a_script_that_kills_all_it_can(calls: Calls, victims: str) -> None:
    began = time.monotonic()
    ended = calls.run(f"kill {victims}; exit 3")
    assert time.monotonic() - began < 15
    assert ended.code in (0, 1, 2), ended.text
    assert calls.run("echo alive", "archive_cache").out == "alive\n"


def test_a_reader_of_its_own_output(calls: Calls) -> None:
    """Who takes away what he wrote himself misses it alone."""
    ended = calls.run(f"timeout 1 cat {CONTROL}/*.out > /dev/null & sleep 0.5; echo gone; sleep 1; exit 3")
    assert (ended.code, calls.exit_code_file.read_text()) == (1, "3\n")
    goes_on(calls)


@pytest.fixture
def few_processes(tmp_path: Path) -> Iterator[str]:
    """A cgroup of at most 60 processes; skipped where it cannot be made."""
    folder = Path("/sys/fs/cgroup/pids") / f"virida-test-{time.monotonic_ns()}"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("no cgroup v1 controller for pids that can be written to")
    (folder / "pids.max").write_text("60")
    yield f"/{folder.name}"
    wait_until(lambda: _removed(folder))


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def test_a_fork_bomb_within_a_limit_ends_with_its_job(tmp_path: Path, few_processes: str) -> None:
    with host_in(tmp_path / "host", docker=f'cgroup_parent = "{few_processes}"') as host:
        calls = host.job().prepared()
        with calls.begin("run", calls.script("bomb() { bomb | bomb & }\nbomb\nsleep 600\n"), "build_script") as stage:
            time.sleep(3)
            began = time.monotonic()
            stage.terminate()
            stage.communicate(timeout=30)
        assert time.monotonic() - began < 15
        assert stage.returncode != 0
        calls.end()
        host.assert_nothing_left()


def test_jobs_side_by_side_do_not_meet(host: Host) -> None:
    """Two jobs of a project at once: folders, networks and control folders of their own, whatever slot they claim."""
    first, second = host.job(project="virida/same", git_strategy="fetch"), host.job(project="virida/same")
    second.job.git_strategy = "fetch"
    second.response.write_text(json.dumps(second.job.response("gitlab.invalid")))
    first.prepared()
    second.prepared()
    assert first.run("echo first > /builds/mine; hostname > /builds/who").code == 0
    assert second.run("cat /builds/mine 2>&1; true").out.endswith("No such file or directory\n")
    sources = [
        {mount["Source"] for mount in json.loads(told).get("Mounts", []) if mount["Destination"] != "/cache"}
        for calls in (first, second)
        for told in inspected(calls).values()
    ]
    of_first, of_second = set().union(*sources[:3]), set().union(*sources[3:])
    shared = {path for path in of_first & of_second if str(host.folder) in path}
    assert shared == set()
