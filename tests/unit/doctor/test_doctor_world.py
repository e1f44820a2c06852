"""What is asked of this very host: mounts, room, commands, programs on the service's PATH."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from executor.doctor.account import Account
from executor.doctor.witness import Witness
from executor.doctor.world import World, existing

if TYPE_CHECKING:
    from pathlib import Path

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:25 / /srv rw,noexec - tmpfs tmpfs rw
31 22 0:26 / /srv/with\\040blank ro,relatime shared:7 - nfs4 server:/x rw,hard
32 22 0:27 / /srv rw - xfs /dev/vdb rw
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """This host, for the account that runs the tests."""
    (tmp_path / "bin").mkdir()
    account = Account(
        uid=os.geteuid(),
        gid=os.getegid(),
        groups=(),
        name="me",
        home=str(tmp_path),
        source="caller",
        environment={"PATH": f"{tmp_path}/bin:/bin:/usr/bin", "GREETING": "hello"},
    )
    return World(account, Witness(account))


@pytest.mark.parametrize(
    ("path", "target", "kind"),
    [
        ("/", "/", "ext4"),
        ("/etc", "/", "ext4"),
        ("/srv", "/srv", "xfs"),
        ("/srv-other", "/", "ext4"),
    ],
)
def test_the_mount_of_a_path(path: str, target: str, kind: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several at one place the last counts."""
    monkeypatch.setattr(world, "read", lambda _: MOUNTS)
    monkeypatch.setattr("executor.doctor.world.existing", lambda asked: asked)

    mount = world.mount(path)

    assert mount
    assert (mount.target, mount.kind) == (target, kind)


def test_options_and_blanks_of_a_mount(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "read", lambda _: MOUNTS)
    monkeypatch.setattr("executor.doctor.world.existing", lambda asked: asked)

    mount = world.mount("/srv/with blank/folder")

    assert mount
    assert (mount.kind, "ro" in mount.options, "noexec" in mount.options) == ("nfs4", True, False)


def test_room_where_something_will_be_made(world: World, tmp_path: Path) -> None:
    here, below = world.space(str(tmp_path)), world.space(f"{tmp_path}/not/yet")

    assert here
    assert below
    assert here.device == below.device
    assert 0 < here.free <= here.total
    assert existing(f"{tmp_path}/not/yet") == str(tmp_path)
    assert existing("/nowhere/at/all") == "/"


def test_a_command_has_the_environment_of_the_service(world: World) -> None:
    ran = world.run(("sh", "-c", "echo $GREETING $HOME $ADDED; exit 3"), environment={"ADDED": "more"})

    assert (ran.code, ran.output) == (3, f"hello {world.account.home} more\n")


def test_a_command_that_hangs(world: World) -> None:
    began = time.monotonic()
    ran = world.run(("sleep", "5"), seconds=0.2)

    assert (ran.code, ran.output) == (None, "it did not end within 0.2 s")
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("program", ["/nowhere/program", "/etc"])
def test_a_command_that_cannot_be_started(program: str, world: World) -> None:
    assert world.run((program,)).code is None


def test_programs_on_the_path_of_the_service(world: World, tmp_path: Path) -> None:
    (tmp_path / "bin/tool").write_text("#!/bin/sh\n")
    assert world.which("tool") == ""
    (tmp_path / "bin/tool").chmod(0o755)

    assert world.which("tool") == f"{tmp_path}/bin/tool"
    assert world.which("no-such-tool") == ""


def test_what_is_not_there(world: World, tmp_path: Path) -> None:
    assert world.read(f"{tmp_path}/none") == ""
    assert world.modified(f"{tmp_path}/none") == 0.0
