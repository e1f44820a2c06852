"""The control folder, and the words of the loop."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

import pytest

from executor.errors import OperatorError, SystemFailure
from executor.stages.channel import Channel, NotListening, Stage
from executor.stages.relay import write_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Channel]:
    old = os.umask(0o077)
    yield Channel.create(str(tmp_path / "ctl"))
    os.umask(old)


def lay(channel: Channel, tmp_path: Path, text: bytes = b"exit 0\n") -> Stage:
    (tmp_path / "script").write_bytes(text)
    return channel.new_stage(str(tmp_path / "script"))


def test_any_user_of_the_container_may_use_it_and_none_may_change_it(channel: Channel, tmp_path: Path) -> None:
    stage = lay(channel, tmp_path)

    assert stat.filemode(os.stat(channel.folder).st_mode) == "drwxr-xr-x"
    assert {
        name: stat.filemode(os.stat(f"{channel.folder}/{name}").st_mode) for name in os.listdir(channel.folder)
    } == {
        "go": "prw-rw-rw-",
        "status": "prw-rw-rw-",
        f"{stage.id}.out": "prw-rw-rw-",
        f"{stage.id}.err": "prw-rw-rw-",
        f"{stage.id}.script": "-rw-r--r--",
    }


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 1_000_000])
def test_a_script_of_any_size_is_copied_whole(channel: Channel, tmp_path: Path, size: int) -> None:
    text = os.urandom(size)
    stage = lay(channel, tmp_path, text)

    with open(f"{channel.folder}/{stage.id}.script", "rb") as file:
        assert file.read() == text


def test_a_script_is_copied_whole_where_the_kernel_takes_it_in_pieces(
    channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write may take less than it was given, as it does where the disk is nearly full."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:1000]))
    stage = lay(channel, tmp_path, b"x" * 5000)

    assert os.path.getsize(f"{channel.folder}/{stage.id}.script") == 5000


def test_a_script_that_is_gone(channel: Channel, tmp_path: Path) -> None:
    with pytest.raises(SystemFailure, match=f"script {tmp_path}/gone cannot be read: No such file or directory"):
        channel.new_stage(str(tmp_path / "gone"))
    assert set(os.listdir(channel.folder)) == {"go", "status"}


def test_a_full_disk(channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", no_space)
    with pytest.raises(OperatorError, match="cannot be laid ready: No space left on device") as caught:
        lay(channel, tmp_path)
    assert "df -h" in caught.value.fix
    assert set(os.listdir(channel.folder)) == {"go", "status"}


def test_stages_have_names_of_their_own(channel: Channel, tmp_path: Path) -> None:
    stages = [lay(channel, tmp_path) for _ in range(10)]

    assert len({stage.id for stage in stages}) == 10
    assert set(channel.unfinished()) == {stage.id for stage in stages}


def test_discarding_leaves_nothing_and_may_be_repeated(channel: Channel, tmp_path: Path) -> None:
    stage = lay(channel, tmp_path)
    channel.discard(stage.id)
    channel.discard(stage.id)

    assert channel.unfinished() == []
    assert set(os.listdir(channel.folder)) == {"go", "status"}


def test_nobody_listens(channel: Channel, tmp_path: Path) -> None:
    with pytest.raises(NotListening):
        lay(channel, tmp_path).start()


def test_a_start_reaches_who_listens(channel: Channel, tmp_path: Path) -> None:
    go = os.open(f"{channel.folder}/go", os.O_RDONLY | os.O_NONBLOCK)
    stage = lay(channel, tmp_path)
    stage.start()

    assert os.read(go, 100) == f"\n{stage.id}\n".encode()
    os.close(go)


def test_writing_to_a_reader_that_is_gone_loses_the_rest_and_nothing_else() -> None:
    reading, writing = os.pipe()
    os.close(reading)

    write_all(writing, b"x" * 100_000)
    write_all(writing, b"more")

    assert os.readlink(f"/proc/self/fd/{writing}") == "/dev/null"
    os.close(writing)
