"""`executor install` and `executor uninstall` in a folder that stands for a host."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from executor import __version__
from executor.errors import OperatorError
from executor.settings.load import read_executor_settings
from executor.setup.account import RunnerAccount
from executor.setup.checks import require_reach, require_rights
from executor.setup.install import apply, find_changes
from executor.setup.manifest import Manifest
from executor.setup.places import Places
from executor.setup.wanted import wanted_files, wanted_folders

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.setup.conftest import Host

NOBODY = RunnerAccount(uid=65534, gid=65534, name="nobody")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def mode(path: object) -> int:
    return stat.S_IMODE(os.stat(str(path)).st_mode)


def test_what_is_installed_works(host: Host) -> None:
    host.call("install")

    started = subprocess.run([host.start_script, "--version"], capture_output=True, text=True, check=True, cwd="/")
    assert started.stdout == f"virida-executor {__version__}\n"
    settings = read_executor_settings(str(host.settings))
    assert settings.warnings == ()
    assert settings.storage.state_dir == str(host.state_dir)


def test_modes(host: Host) -> None:
    host.call("install")

    assert (mode(host.start_script), mode(host.settings)) == (0o755, 0o644)
    assert mode(host.config.parent) == 0o700
    for folder in (host.state_dir, *(host.state_dir / name for name in ("builds", "cache", "caches"))):
        assert mode(folder) == 0o700


@needs_root
def test_state_folders_are_the_accounts_and_files_are_roots(host: Host) -> None:
    places, manifest = Places(str(host.root)), Manifest()
    files = wanted_files(places, "/usr/bin/python3", "/opt/executor")

    apply(find_changes(places, files, wanted_folders(places), NOBODY, manifest), places, manifest)

    assert {path.stat().st_uid for path in (host.state_dir, *host.state_dir.iterdir())} == {NOBODY.uid}
    assert {path.stat().st_uid for path in (host.start_script, host.settings, host.state_dir.parent)} == {0}


def test_who_is_not_root_installs_nothing_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY.uid)

    with pytest.raises(OperatorError, match="only root may install"):
        require_rights(Places("/"), NOBODY)


def test_a_driver_that_the_service_cannot_reach(tmp_path: Path) -> None:
    launcher = tmp_path / "bin" / "executor"
    launcher.parent.mkdir(mode=0o700)
    launcher.write_text("")

    with pytest.raises(OperatorError, match="may not enter"):
        require_reach(NOBODY, str(launcher))
    require_reach(RunnerAccount(uid=0, gid=0, name="root"), str(launcher))


def test_twice_changes_nothing(host: Host) -> None:
    host.call("install")
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in host.root.rglob("*")}

    told = host.call("install")

    assert "Nothing to do" in told
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in host.root.rglob("*")} == before


def test_a_dry_run_shows_and_writes_nothing(host: Host) -> None:
    told = host.call("install", "--dry-run")

    assert f"+++ {host.start_script}" in told
    assert f"+ folder {host.state_dir} (0700" in told
    assert list(host.root.iterdir()) == []
    host.call("install")
    assert "Nothing would change." in host.call("install", "--dry-run")


def test_what_is_ours_is_mended(host: Host) -> None:
    host.call("install")
    host.start_script.chmod(0o600)
    host.state_dir.chmod(0o777)

    assert f"~ folder {host.state_dir} (0700" in host.call("install", "--dry-run")
    host.call("install")

    assert (mode(host.start_script), mode(host.state_dir)) == (0o755, 0o700)


def test_an_older_start_script_of_ours_is_renewed(host: Host) -> None:
    host.call("install")
    manifest = host.root / "usr/local/lib/virida-executor/manifest.json"
    noted = json.loads(manifest.read_text())
    old = b"#!/bin/sh\nexec /opt/old/executor\n"
    host.start_script.write_bytes(old)
    noted["files"][str(host.start_script)] = hashlib.sha256(old).hexdigest()
    manifest.write_text(json.dumps(noted))

    told = host.call("install", "--dry-run")

    assert "-exec /opt/old/executor" in told
    host.call("install")
    assert b"/opt/old" not in host.start_script.read_bytes()


def test_another_program_in_its_place_is_not_replaced(host: Host) -> None:
    host.start_script.parent.mkdir(parents=True)
    host.start_script.write_text("#!/bin/sh\n")

    assert "was not written by `executor install`" in host.call("install", code=2)
    assert host.files() == {"usr/local/bin/executor": b"#!/bin/sh\n"}


def test_a_link_is_not_followed(host: Host) -> None:
    host.start_script.parent.mkdir(parents=True)
    other = host.root / "other"
    other.write_text("precious")
    host.start_script.symlink_to(other)

    assert f"rm {host.start_script}" in host.call("install", code=2)
    assert other.read_text() == "precious"


def test_the_operators_settings_stay_and_their_folders_are_made(host: Host) -> None:
    host.settings.parent.mkdir(parents=True)
    host.settings.write_text(f'[storage]\nstate_dir = "{host.root}/srv/state"\nbuilds_dir = "{host.root}/srv/b"\n')
    before = host.settings.read_text()

    host.call("install")

    assert host.settings.read_text() == before
    assert (host.root / "srv/state").is_dir()
    assert (host.root / "srv/b").is_dir()
    assert not host.state_dir.exists()
    host.call("uninstall")
    assert host.settings.read_text() == before
    assert not (host.root / "srv").exists()


def test_broken_settings_are_told_before_anything_is_written(host: Host) -> None:
    host.settings.parent.mkdir(parents=True)
    host.settings.write_text("[storage\n")

    assert "executor.toml, line 1" in host.call("install", code=2)
    assert list(host.files()) == ["etc/gitlab-runner/executor.toml"]


def test_a_file_in_a_folders_place(host: Host) -> None:
    host.state_dir.parent.mkdir(parents=True)
    host.state_dir.write_text("")

    assert "no folder" in host.call("install", code=2)


def test_an_account_that_is_not_there(host: Host) -> None:
    assert "no account called nobody-at-all" in host.call("install", "--user", "nobody-at-all", code=2)


def test_uninstall_leaves_nothing(host: Host) -> None:
    host.call("install")

    told = host.call("uninstall")

    assert f"removed {host.start_script}" in told
    assert list(host.root.iterdir()) == []
    assert host.call("uninstall") == "Nothing is installed.\n"


def test_a_dry_run_of_uninstall_removes_nothing(host: Host) -> None:
    host.call("install")
    before = host.files()

    assert f"would remove {host.start_script}" in host.call("uninstall", "--dry-run")
    assert host.files() == before


def test_what_was_changed_since_is_kept_and_told(host: Host) -> None:
    host.call("install")
    with host.settings.open("a") as file:
        file.write("# mine\n")

    told = host.call("uninstall")

    assert f"kept {host.settings}: changed since it was written" in told
    assert list(host.files()) == ["etc/gitlab-runner/executor.toml"]


def test_what_was_there_before_stays(host: Host) -> None:
    (host.root / "usr/local/bin").mkdir(parents=True)
    (host.root / "var/lib").mkdir(parents=True)
    host.call("install")
    host.call("uninstall")

    assert (host.root / "usr/local/bin").is_dir()
    assert (host.root / "var/lib").is_dir()
    assert not (host.root / "etc").exists()


def test_what_jobs_left_goes_only_with_purge(host: Host) -> None:
    host.call("install")
    (host.state_dir / "history.db").write_text("")
    told = host.call("uninstall")
    assert f"kept {host.state_dir}: holds history.db" in told
    assert (host.state_dir / "history.db").exists()

    (host.state_dir / "history.db").unlink()
    host.state_dir.rmdir()
    host.call("install")
    (host.state_dir / "builds/project").mkdir()
    assert "with all that is in it" in host.call("uninstall", "--purge")
    assert not host.state_dir.exists()


def test_purge_follows_no_link(host: Host) -> None:
    host.call("install")
    outside = host.root / "outside"
    outside.mkdir()
    (outside / "precious").write_text("")
    (host.state_dir / "builds/link").symlink_to(outside)

    host.call("uninstall", "--purge")

    assert (outside / "precious").exists()


def test_nothing_is_purged_while_jobs_are_there(host: Host) -> None:
    host.call("install")
    (host.state_dir / "jobs/1-abc").mkdir(parents=True)

    assert "there are jobs" in host.call("uninstall", "--purge", code=2)
    assert host.start_script.exists()


def test_not_while_a_runner_calls_it(host: Host) -> None:
    host.call("install")
    host.write_config(
        f'[[runners]]\nname = "r"\nexecutor = "custom"\n[runners.custom]\nrun_exec = "{host.start_script}"'
    )

    assert "--runner r" in host.call("uninstall", code=2)
    assert host.start_script.exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 99, "files": {}, "folders": []}', '{"version": 1}'])
def test_a_manifest_that_makes_no_sense(host: Host, text: str) -> None:
    host.call("install")
    manifest = host.root / "usr/local/lib/virida-executor/manifest.json"
    manifest.write_text(text)

    for command in ("install", "uninstall"):
        assert "is damaged" in host.call(command, code=2)
    assert host.start_script.exists()
