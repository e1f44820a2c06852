"""What calls say to the process that measures a job, and what they ask of it: lost where nobody listens."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from executor.stages.hints import note_hints
from executor.stages.measured import ask, oom_kills, tell, tell_begin, tell_end

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job's folder with the FIFOs of measuring."""
    (tmp_path / "usage").mkdir()
    for name in ("events", "answer"):
        os.mkfifo(tmp_path / "usage" / name)
    return tmp_path


@pytest.fixture
def events(job: Path) -> Iterator[int]:
    """The end that listens."""
    descriptor = os.open(job / "usage" / "events", os.O_RDWR | os.O_NONBLOCK)
    yield descriptor
    os.close(descriptor)


def test_stages_are_told_with_their_moment(job: Path, events: int) -> None:
    before = time.monotonic_ns()
    tell_begin(str(job), "build_script")
    tell_end(str(job), 3)

    (begin, end) = os.read(events, 1000).decode().splitlines()
    assert begin.split()[0] == "begin"
    assert before <= int(begin.split()[1]) <= time.monotonic_ns()
    assert begin.split()[2] == "build_script"
    assert end.split()[0] == "end"
    assert end.split()[2] == "3"


def test_a_hostile_name_of_a_step_is_one_short_line(job: Path, events: int) -> None:
    tell_begin(str(job), "step_x\nfinish success\n" + "y" * 10_000 + "\udcff")

    lines = os.read(events, 1 << 16).decode().splitlines()
    assert len(lines) == 1
    assert len(lines[0]) < 300


def test_where_nobody_listens_nothing_waits(job: Path, tmp_path: Path) -> None:
    began = time.monotonic()

    assert not tell(str(job), "save")
    assert not ask(str(job), "save", 5)
    assert not tell(str(tmp_path / "none"), "save")
    assert not ask(str(tmp_path / "none"), "save", 5)
    assert time.monotonic() - began < 1


def test_who_listens_but_does_not_read_holds_nobody_up(job: Path, events: int) -> None:
    told = [tell(str(job), "begin", "x" * 200) for _ in range(1000)]

    assert told[0]
    assert not told[-1]
    assert not ask(str(job), "save", 0.05)


def test_an_answer_ends_the_wait(job: Path, events: int) -> None:
    def answer() -> None:
        time.sleep(0.1)
        descriptor = os.open(job / "usage" / "answer", os.O_WRONLY)
        os.write(descriptor, b".")
        os.close(descriptor)

    thread = threading.Thread(target=answer)
    thread.start()
    began = time.monotonic()

    assert ask(str(job), "save", 5)
    assert 0.05 < time.monotonic() - began < 3
    thread.join()


@pytest.mark.parametrize(
    ("content", "kills"),
    [
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", 2),
        ("low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\noom_group_kill 1\n", 3),
        ("oom_kill_disable 0\nunder_oom 0\n", 0),
        ("", 0),
    ],
    ids=["v1", "v2", "a kernel that does not count", "nothing"],
)
def test_kills_are_read_through_the_link(job: Path, content: str, kills: int) -> None:
    (job / "counter").write_text(content)
    (job / "usage" / "oom").symlink_to(job / "counter")

    assert oom_kills(str(job)) == kills


def test_a_counter_that_is_gone_counts_nothing(job: Path) -> None:
    assert oom_kills(str(job)) == 0
    (job / "usage" / "oom").symlink_to("/sys/fs/cgroup/none/memory.events")
    assert oom_kills(str(job)) == 0
    os.unlink(job / "usage" / "oom")
    (job / "usage" / "oom").symlink_to(job)
    assert oom_kills(str(job)) == 0


@pytest.mark.parametrize(
    ("output", "hints"),
    [
        (b"FATAL ERROR: ... JavaScript heap out of memory\n", "node-heap"),
        (b'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space\n', "java-heap"),
        (b"cp: error writing 'x': No space left on device\npassword=geheim", "disk-full"),
        (b"Error: ENOSPC: no space left on device, write", "disk-full"),
        (b"password=geheim", ""),
    ],
)
def test_only_fixed_words_are_kept_of_what_a_script_wrote(job: Path, output: bytes, hints: str) -> None:
    note_hints(str(job), output)

    assert (job / "usage" / "hints").read_text() == hints


def test_a_job_that_is_not_measured_keeps_no_hints(tmp_path: Path) -> None:
    note_hints(str(tmp_path), b"No space left on device")

    assert not (tmp_path / "usage").exists()
