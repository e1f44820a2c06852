"""`poll` may call a FIFO hung up while its first writer opens it: only a read tells."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

import pytest

from executor.stages.channel import Channel
from executor.stages.relay import Relay, read_some

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The reading and the writing end of a FIFO without data."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(path, os.O_WRONLY)
    yield reading, writing
    os.close(reading)


def test_nothing_yet_is_not_the_end(fifo: tuple[int, int]) -> None:
    reading, writing = fifo
    assert read_some(reading) is None
    os.write(writing, b"x")
    assert read_some(reading) == b"x"
    os.close(writing)
    assert read_some(reading) == b""


def test_a_stage_outlives_a_false_alarm(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    channel = Channel.create(str(tmp_path / "ctl"))
    script = tmp_path / "script"
    script.write_text("true")
    loop = os.open(f"{channel.folder}/status", os.O_RDWR)
    stage = channel.new_stage(str(script))
    out = os.open(f"{channel.folder}/{stage.id}.out", os.O_WRONLY)
    status, (wake, _) = channel.open_status(), os.pipe()
    relay = Relay(stage, status, wake, lambda _: None)

    assert relay._ended([(status, select.POLLHUP)]) is None
    relay._pass_on([(stage.out, select.POLLHUP)])

    os.write(out, b"still heard\n")
    relay._pass_on([(stage.out, select.POLLIN)])
    os.write(loop, f"\n{stage.id} 7\n".encode())
    assert relay._ended([(status, select.POLLIN)]) == 7
    assert capfd.readouterr().out == "still heard\n"

    os.close(loop)
    assert relay._ended([(status, select.POLLHUP)]) == -1
