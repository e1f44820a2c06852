"""Whole stages through the loop: what goes in, what comes out."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from executor.sandbox.loop import loop_command
from tests.unit.engine.fake_server import answer

if TYPE_CHECKING:
    from tests.unit.conftest import Serve
    from tests.unit.stages.local_loop import LocalLoop

ALL_BYTES = "".join(f"\\{byte:03o}" for byte in range(256))


def test_a_stage(every_loop: LocalLoop) -> None:
    assert every_loop.run("echo out; echo err >&2; exit 3") == ([3], b"out\n", b"err\n")
    assert every_loop.left_over() == set()


def test_every_exit_code(every_loop: LocalLoop) -> None:
    codes, out, err = every_loop.run(*(f"exit {code}" for code in range(256)))

    assert codes == list(range(256))
    assert (out, err) == (b"", b"")


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("", 0),
        ("true", 0),
        ("exit 256", 0),
        ("set -e; false; echo never", 1),
        ("no-such-command", 127),
        ("/etc/passwd", 126),
        ("kill -9 $$", 137),
        ("kill -TERM $$", 143),
        ("exit", 0),
        ("exec sh -c 'exit 9'", 9),
    ],
)
def test_how_scripts_end(loop: LocalLoop, script: str, code: int) -> None:
    assert loop.run(script)[0] == [code]


def test_a_script_that_is_no_shell_program(every_loop: LocalLoop) -> None:
    codes, _, err = every_loop.run("if then fi (", "exit 4")

    assert codes == [2, 4]
    assert b"yntax error" in err


def test_bytes_pass_as_they_are(every_loop: LocalLoop) -> None:
    script = f"printf '{ALL_BYTES}'; printf '{ALL_BYTES}' >&2; printf 'no newline'"
    assert every_loop.run(script) == ([0], bytes(range(256)) + b"no newline", bytes(range(256)))


def test_a_lot_of_output_on_both_streams(loop: LocalLoop) -> None:
    data = os.urandom(5_000_000)
    path = loop.scripts.parent / "data"
    path.write_bytes(data)

    codes, out, err = loop.run(f"cat {path} & cat {path} >&2; wait; exit 5")

    assert codes == [5]
    assert out == data
    assert err == data


def test_a_slow_reader_gets_everything(loop: LocalLoop) -> None:
    """What the stage wrote last waits for the reader, however long the stage itself is over."""
    with loop.driver("head -c 300000 /dev/zero | tr '\\0' x; echo end; echo bad >&2") as driver:
        assert driver.stdout
        assert driver.stderr
        time.sleep(1)
        assert driver.stdout.read() == b"x" * 300_000 + b"end\n"
        assert driver.stderr.read() == b"bad\n"
    assert loop.codes() == [0]


def test_output_comes_while_the_stage_runs(loop: LocalLoop) -> None:
    with loop.driver("echo first; read -r line < wait; echo $line") as driver:
        assert driver.stdout
        fifo = loop.scripts.parent / "wait"
        os.mkfifo(fifo)
        assert driver.stdout.readline() == b"first\n"
        fifo.write_text("second\n")
        assert driver.stdout.readline() == b"second\n"


@pytest.mark.parametrize("closing", ["exec >&-", "exec 2>&-", "exec >&- 2>&-", "exec >/dev/null 2>&1"])
def test_a_script_that_closes_its_output_runs_on(loop: LocalLoop, closing: str) -> None:
    codes, out, err = loop.run(f"echo before; echo bad >&2; {closing}; sleep 0.3; exit 6")

    assert codes == [6]
    assert (out, err) == (b"before\n", b"bad\n")


def test_a_reader_that_is_gone_does_not_end_the_stage(loop: LocalLoop) -> None:
    """The runner was killed: the stage still comes to its end, and to the exit code that it has."""
    done = loop.scripts.parent / "done"
    with loop.driver(f"head -c 1000000 /dev/zero; : > {done}; exit 7") as driver:
        assert driver.stdout
        driver.stdout.close()
        assert driver.wait(10) == 0
    assert loop.codes() == [7]
    assert done.exists()


def test_stages_know_nothing_of_each_other(every_loop: LocalLoop) -> None:
    first = "cd /; x=1; export Y=2; umask 077; set -f; f() { :; }; exec 5>/dev/null; exit 1"
    second = 'echo "$PWD $x $Y $(umask) $-"; (: >&5) 2>/dev/null || echo closed'
    codes, out, _ = every_loop.run(second, first, second)

    assert codes == [0, 1, 0]
    half = out[: len(out) // 2]
    assert out == half * 2
    assert str(every_loop.scripts.parent).encode() in half
    assert half.endswith(b"closed\n")


def test_stages_hold_no_descriptor_of_the_loop(every_loop: LocalLoop) -> None:
    """A stage that could write to `status` could end itself with any exit code."""
    codes, out, _ = every_loop.run("(echo 1-2 0 >&9) 2>/dev/null || echo closed; (: <&8) 2>/dev/null || echo closed")

    assert (codes, out) == ([0], b"closed\nclosed\n")


def test_a_script_that_eats_its_own_text_eats_no_more(every_loop: LocalLoop) -> None:
    """A command that reads standard input may get the rest of the script, never what the loop reads."""
    codes, out, _ = every_loop.run("cat > /dev/null", "echo next", "exit 2")

    assert (codes, out) == ([0, 0, 2], b"next\n")


def test_the_loop_says_who_it_is(every_loop: LocalLoop) -> None:
    """Whoever must end a stage learns which processes are older than it."""
    every_loop.run("exit 0")

    word, pid, *older = (every_loop.folder / "build/loop").read_text().split()
    assert word == "ready"
    assert int(pid) == every_loop.process.pid
    assert {pid, "1", str(os.getpid())} <= set(older)


def test_many_stages_one_after_the_other(loop: LocalLoop) -> None:
    texts = [f"echo {number}; exit {number}" for number in range(50)]
    codes, out, _ = loop.run(*texts)

    assert codes == list(range(50))
    assert out.split() == [str(number).encode() for number in range(50)]


def test_a_container_without_a_reason_ends_under_its_stage(loop: LocalLoop, serve: Serve) -> None:
    """The loop's end is noticed at once; the Engine is asked why."""
    state = {"State": {"ExitCode": 137, "OOMKilled": False}}
    server = serve(answer(200, {"StatusCode": 137}), answer(200, state))
    store_state(loop, server.endpoint.host)
    with loop.driver("echo begun; sleep 30") as driver:
        assert driver.stdout
        assert driver.stdout.readline() == b"begun\n"
        os.killpg(loop.process.pid, signal.SIGKILL)
        told = driver.stdout.read()
        assert driver.wait(5) == 0

    assert b"The build container ended while the stage ran (exit code 137)." in told
    assert loop.codes() == [137]


def test_a_dead_driver_leaves_its_stage_behind(loop: LocalLoop, serve: Serve) -> None:
    """The next one tries to end it, and keeps its own stage apart from what is left. Here nothing can be ended, for
    the container is said to be gone: the old stage comes to its own end before the new one begins."""
    store_state(loop, serve(answer(404, {"message": "No such container"})).endpoint.host)
    with loop.driver("echo old; sleep 1; echo more; exit 9") as dead:
        assert dead.stdout
        assert dead.stdout.readline() == b"old\n"
        dead.kill()
    assert {name.rpartition(".")[2] for name in loop.left_over()} == {"script", "out", "err"}

    assert loop.run("echo new; exit 4") == ([4], b"new\n", b"")
    assert loop.left_over() == set()


def store_state(loop: LocalLoop, host: str) -> None:
    from executor.sandbox.state import save

    engine = {"host": host, "certificates": "", "verify": False}
    save(str(loop.folder), {"engine": engine, "containers": {"build": "b"}})


def test_a_umask_is_for_the_stages(loop: LocalLoop) -> None:
    assert loop_command(umask="0000").startswith("umask 0000\n")
    assert not loop_command().startswith("umask")
    assert loop_command(shared_processes=False).startswith("shared_processes=\n")
