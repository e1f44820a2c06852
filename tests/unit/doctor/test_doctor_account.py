"""Whose eyes the doctor looks with: the running service's, the unit's, the owner's, else one's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from executor.doctor.account import SERVICE_PATH, Account, Unit, find_account, read_unit
from executor.doctor.processes import Process, runner_processes
from executor.doctor.witness import Witness, may_by_modes

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

STATUS = "Name:\tgitlab-runner\nUid:\t0\t998\t998\t998\nGid:\t0\t997\t997\t997\nGroups:\t997 996 \n"
LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max file size             unlimited            unlimited            bytes
Max open files            1024                 524288               files
"""


def a_process(uid: int = 998, **environment: str) -> Process:
    """A running service."""
    return Process(
        pid=1, uid=uid, gid=997, groups=(996,), config="", executable="/usr/bin/gitlab-runner", outdated=False,
        open_files=1024, file_size="unlimited", environment=environment,
    )  # fmt: skip


def test_a_process_as_proc_tells_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "815"
    folder.mkdir()
    words = ["/usr/bin/gitlab-runner", "run", "--config", "etc/config.toml", "--user", "gitlab-runner", ""]
    (folder / "cmdline").write_text("\0".join(words))
    (folder / "status").write_text(STATUS)
    (folder / "limits").write_text(LIMITS)
    (folder / "environ").write_text("PATH=/usr/bin\0HOME=/root\0BROKEN\0")
    (folder / "exe").symlink_to("/usr/bin/gitlab-runner (deleted)")
    (folder / "cwd").symlink_to("/srv")

    (process,) = runner_processes(str(tmp_path))

    assert (process.pid, process.uid, process.gid, process.groups) == (815, 998, 997, (997, 996))
    assert process.config == "/srv/etc/config.toml"
    assert (process.executable, process.outdated) == ("/usr/bin/gitlab-runner", True)
    assert (process.open_files, process.file_size) == (1024, "unlimited")
    assert process.environment == {"PATH": "/usr/bin", "HOME": "/root"}


@pytest.mark.parametrize(
    ("uid", "config"), [(0, "/etc/gitlab-runner/config.toml"), (998, "/home/runner/.gitlab-runner/config.toml")]
)
def test_the_usual_place_of_config_toml(uid: int, config: str, tmp_path: Path) -> None:
    folder = tmp_path / "815"
    folder.mkdir()
    (folder / "cmdline").write_text("gitlab-runner\0run\0")
    (folder / "status").write_text(STATUS.replace("\t998", f"\t{uid}"))
    (folder / "environ").write_text("HOME=/home/runner\0")

    assert [process.config for process in runner_processes(str(tmp_path))] == [config]


@pytest.mark.parametrize(
    "words", [["gitlab-runner", "verify"], ["gitlab-runner-helper", "artifacts-uploader"], ["bash", "run"], [""]]
)
def test_processes_that_run_no_jobs(words: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "cmdline").write_text("\0".join(words))
    (folder / "status").write_text(STATUS)

    assert runner_processes(str(tmp_path)) == []


def test_a_process_that_has_just_gone(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()

    assert runner_processes(str(tmp_path)) == []


def test_a_unit_with_its_drop_ins(tmp_path: Path) -> None:
    units = tmp_path / "etc/systemd/system"
    (units / "gitlab-runner.service.d").mkdir(parents=True)
    (units / "multi-user.target.wants").mkdir()
    (units / "gitlab-runner.service").write_text("[Service]\nUser=runner\n# User=comment\nPrivateTmp=no\n")
    (units / "gitlab-runner.service.d/more.conf").write_text(
        '[Service]\nPrivateTmp=yes\nEnvironment="A=with blank" B=2\nEnvironment=C=3\n'
    )
    (units / "multi-user.target.wants/gitlab-runner.service").symlink_to(units / "gitlab-runner.service")

    unit = read_unit(str(tmp_path))

    assert unit
    assert (unit.settings["User"], unit.settings["PrivateTmp"]) == ("runner", "yes")
    assert unit.environment == {"A": "with blank", "B": "2", "C": "3"}
    assert unit.enabled


def test_no_unit(tmp_path: Path) -> None:
    assert read_unit(str(tmp_path)) is None


def test_the_running_service_comes_first() -> None:
    unit = Unit(settings={"User": "nobody"}, environment={}, enabled=True)

    account = find_account(a_process(PATH="/opt/bin"), unit, "/etc/passwd")

    assert (account.source, account.uid, account.gid, account.groups) == ("process", 998, 997, (996,))
    assert account.path == "/opt/bin"


def test_the_unit_comes_next() -> None:
    unit = Unit(settings={"User": "root"}, environment={"HTTPS_PROXY": "http://p:1"}, enabled=True)

    account = find_account(None, unit, "/nowhere")

    assert (account.source, account.uid, account.name) == ("unit", 0, "root")
    assert account.path == SERVICE_PATH
    assert account.environment["HTTPS_PROXY"] == "http://p:1"


@needs_root
def test_then_the_owner_of_config_toml(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.touch()
    os.chown(config, NOBODY, NOBODY)

    assert (find_account(None, None, str(config)).uid, find_account(None, None, "/nowhere").source) == (
        NOBODY,
        "caller",
    )


@needs_root
def test_the_witness_sees_what_the_account_sees() -> None:
    folder = Path(tempfile.mkdtemp(prefix="virida-witness-"))
    folder.chmod(0o755)
    (folder / "open").touch(0o644)
    (folder / "closed").touch(0o600)
    (folder / "private").mkdir(0o700)
    (folder / "private/open").touch(0o644)
    (folder / "group").touch(0o640)
    os.chown(folder / "group", 0, 4242)
    witness = Witness(
        Account(uid=NOBODY, gid=NOBODY, groups=(4242,), name="nobody", home="/", source="unit", environment={})
    )

    seen = {
        path.name: witness.may(str(path), os.R_OK) for path in (folder / "open", folder / "closed", folder / "group")
    }
    inside = witness.may(f"{folder}/private/open", os.R_OK)
    writes = witness.may(f"{folder}/open", os.W_OK)
    witness.close()

    assert seen == {"open": True, "closed": False, "group": True}
    assert not inside
    assert not writes
    assert os.access(folder / "closed", os.R_OK)


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "groups", "asked", "may"),
    [
        (0o600, 7, 7, (), os.R_OK, True),
        (0o600, 8, 7, (), os.R_OK, False),
        (0o640, 8, 7, (), os.R_OK, True),
        (0o640, 8, 8, (7,), os.R_OK, True),
        (0o640, 8, 8, (7,), os.W_OK, False),
        (0o604, 8, 8, (), os.R_OK, True),
        (0o066, 7, 7, (), os.R_OK, False),
        (0o000, 0, 0, (), os.R_OK | os.W_OK, True),
        (0o600, 0, 0, (), os.X_OK, False),
        (0o100, 0, 0, (), os.X_OK, True),
    ],
)
@needs_root
def test_what_modes_say(mode: int, uid: int, gid: int, groups: tuple[int, ...], asked: int, may: bool) -> None:
    """For who is not root and looks at a service of somebody else."""
    folder = Path(tempfile.mkdtemp(prefix="virida-modes-"))
    folder.chmod(0o755)
    file = folder / "file"
    file.touch()
    file.chmod(mode)
    os.chown(file, 7, 7)
    account = Account(uid=uid, gid=gid, groups=groups, name="a", home="/", source="unit", environment={})

    seen = may_by_modes(account, str(file), asked)
    folder.chmod(0o700)
    closed = may_by_modes(account, str(file), asked)
    shutil.rmtree(folder)

    assert seen is may
    assert closed is (may and uid == 0)
    assert not may_by_modes(account, str(file), asked)


def test_the_witness_ends_with_us(tmp_path: Path) -> None:
    """Also where nobody closed it: its questions end when our process does."""
    program = (
        "from executor.doctor.account import Account; from executor.doctor.witness import Witness; import os\n"
        "w = Witness(Account(uid=65534, gid=65534, groups=(), name='n', home='/', source='unit', environment={}))\n"
        f"open({str(tmp_path / 'pids')!r}, 'w').write(open('/proc/self/task/%d/children' % os.getpid()).read())\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    children = (tmp_path / "pids").read_text().split()
    deadline = time.monotonic() + 5
    while any(os.path.exists(f"/proc/{pid}") for pid in children) and time.monotonic() < deadline:
        time.sleep(0.02)

    assert not [pid for pid in children if os.path.exists(f"/proc/{pid}")]
