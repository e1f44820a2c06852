"""Turns of jobs that need the same thing."""

from __future__ import annotations

import multiprocessing
import time
from typing import TYPE_CHECKING

from executor.sandbox.turns import turn

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event
    from pathlib import Path


def hold(file: str, thing: str, held: Event, let_go: Event) -> None:
    """Hold a thing in a process of its own until told to let go."""
    with turn(file, thing, lambda: None):
        held.set()
        let_go.wait(20)


def test_another_things_turn_is_not_waited_for(tmp_path: Path) -> None:
    with Holder(tmp_path, "debian:12"), turn(f"{tmp_path}/turns", "debian:11", refuse) as waited:
        assert not waited


def test_the_same_things_turn_is_waited_for(tmp_path: Path) -> None:
    told: list[float] = []
    with Holder(tmp_path, "debian:12") as holder:
        holder.let_go_after(0.3)
        with turn(f"{tmp_path}/turns", "debian:12", lambda: told.append(time.monotonic())) as waited:
            assert waited
            assert time.monotonic() - told[0] >= 0.2


def test_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    with Holder(tmp_path, "debian:12") as holder:
        holder.process.kill()
        holder.process.join()
        with turn(f"{tmp_path}/turns", "debian:12", refuse) as waited:
            assert not waited


def test_a_turn_ends_with_its_block_and_leaves_one_file(tmp_path: Path) -> None:
    for thing in ("a", "b", "a"):
        with turn(f"{tmp_path}/turns", thing, refuse):
            pass
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [("turns", 0o600)]


def refuse() -> None:
    raise AssertionError("nobody is to be waited for")


class Holder:
    """A process that holds `thing` inside this block."""

    def __init__(self, folder: Path, thing: str) -> None:
        context = multiprocessing.get_context("fork")
        self._held, self._let_go = context.Event(), context.Event()
        arguments = (f"{folder}/turns", thing, self._held, self._let_go)
        self.process = context.Process(target=hold, args=arguments, daemon=True)

    def __enter__(self) -> Holder:
        self.process.start()
        assert self._held.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        # An event whose waiter was killed can never be set: it would wait for the dead to wake up.
        if self.process.is_alive():
            self._let_go.set()
        self.process.join(20)

    def let_go_after(self, seconds: float) -> None:
        """Let go in a while."""
        import threading

        threading.Timer(seconds, self._let_go.set).start()
