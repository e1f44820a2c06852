"""Stages in containers: what images and scripts may do, and what they cannot break."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.engine.conftest import BASH, BUSYBOX

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.engine.conftest import Start
    from tests.engine.containers import BuildContainer

# Leave processes behind in every way: as a child, in a session of its own, deaf to signals.
LEAVE = "(sleep 1001 &) ; sleep 1002 & trap '' TERM HUP INT; sleep 1003 & echo left; exit 3"
FOREVER = "while :; do sleep 0.1; done"


def test_a_stage(every_kind: BuildContainer) -> None:
    codes, out, err = every_kind.run("echo out; echo err >&2; exit 3", "echo next")

    assert codes == [3, 0]
    assert out.endswith(b"out\nnext\n")
    assert err == b"err\n"


def test_bytes_pass_as_they_are(every_kind: BuildContainer) -> None:
    text = "".join(f"\\{byte:03o}" for byte in range(256))
    _, out, err = every_kind.run(f"printf '{text}'; printf '{text}' >&2")

    assert out.endswith(bytes(range(256)))
    assert err == bytes(range(256))


def test_the_user_and_folder_of_the_image(start: Start) -> None:
    codes, out, _ = start("virida-executor/test-nonroot").run("id -u; pwd; touch /etc/x 2>/dev/null || exit 5")

    assert (codes, out) == ([5], b"1000\n/home/app\n")


def test_what_a_stage_leaves_running_ends_with_it(every_kind: BuildContainer) -> None:
    began = time.monotonic()
    codes, out, _ = every_kind.run(LEAVE)

    assert time.monotonic() - began < 5
    assert codes == [3]
    assert out.endswith(b"left\n")
    assert not every_kind.sleeping()
    assert every_kind.run("echo next")[0] == [0]


@pytest.mark.parametrize(
    ("script", "code"), [("kill -9 $$", 137), ("kill -TERM $$", 143), ("kill -9 -1; exit 4", 4), ("exec false", 1)]
)
@pytest.mark.parametrize("image", [BASH, BUSYBOX])
def test_a_script_that_kills(start: Start, image: str, script: str, code: int) -> None:
    container = start(image)

    assert container.run(script)[0] == [code]
    assert container.run("echo next")[:2] == ([0], b"next\n")


def test_a_script_that_kills_the_first_process(start: Start) -> None:
    """It cannot: a container's first process is safe from its own."""
    assert start().run("kill -9 1; kill -TERM 1; exit 6", "exit 7")[0] == [6, 7]


def stop(driver: subprocess.Popen[bytes]) -> tuple[float, bytes]:
    """Tell a driver to stop; the seconds until it has, and what it has passed on since."""
    began = time.monotonic()
    driver.send_signal(signal.SIGTERM)
    out, err = driver.communicate(timeout=30)
    assert driver.returncode == 0, err.decode()
    return time.monotonic() - began, out


@pytest.mark.parametrize("script", ["sleep 60", ": | eval 'sleep 60'", "(trap 'exit 1' TERM; sleep 60) < /dev/null"])
def test_sigterm_ends_a_script_at_once(every_kind: BuildContainer, script: str) -> None:
    driver = every_kind.begun(script)

    assert stop(driver)[0] < 2
    assert every_kind.codes() in ([143], [1])
    assert every_kind.run("echo next")[0] == [0]


def test_sigterm_is_heard_by_every_process_of_the_stage(every_kind: BuildContainer) -> None:
    driver = every_kind.begun("(sleep 1001 & sleep 1002 & wait) & sleep 1003")
    stop(driver)

    assert not every_kind.sleeping()


def test_a_script_that_handles_sigterm_is_heard_to_its_end(every_kind: BuildContainer) -> None:
    """And has not succeeded, whatever it says."""
    driver = every_kind.begun(f"trap 'sleep 0.5; echo saved; exit 0' TERM; {FOREVER}")
    seconds, out = stop(driver)

    assert seconds < 3
    assert out == b"saved\n"
    assert every_kind.codes() == [143]


def test_a_program_that_handles_sigterm_outlives_its_shell_and_is_heard(every_kind: BuildContainer) -> None:
    """The runner's wrapper ends at once; what it ran gets its time all the same, and nothing is left after it."""
    handler = "trap 'sleep 1; echo saved; exit 0' TERM; while :; do sleep 0.1; done"
    driver = every_kind.begun(f"trap 'exit 1' TERM; echo begun; : | sh -c \"{handler}\"; exit 0")
    assert b"saved" in stop(driver)[1]
    assert every_kind.codes() != [0]
    assert every_kind.run("echo after")[0] == [0]


def test_a_script_that_is_deaf_to_sigterm_is_killed(start: Start) -> None:
    container = start()
    driver = container.begun(f"trap '' TERM; {FOREVER}")
    seconds, _ = stop(driver)

    assert 9 < seconds < 15
    assert container.codes() == [137]
    assert container.run("echo next")[:2] == ([0], b"next\n")


def test_processes_that_root_may_not_signal(start: Start) -> None:
    """Root without CAP_KILL cannot signal the image's user, who can."""
    container = start("virida-executor/test-nonroot", host_config={"CapDrop": ["ALL"]})
    began = container.state()["StartedAt"]
    driver = container.begun(f"trap '' TERM; {FOREVER}", patience="0.5")

    assert stop(driver)[0] < 5
    assert container.codes() == [137]
    assert container.state()["StartedAt"] == began


def test_processes_that_no_signal_ends_end_with_their_container(start: Start) -> None:
    container = start()
    driver = container.begun(FOREVER, patience="none heard")
    seconds, out = stop(driver)

    assert seconds < 5
    assert container.codes() == [137]
    assert b"The build container ended while the stage ran" in out
    assert container.run("echo next")[:2] == ([0], b"next\n")


def test_a_second_sigterm_does_not_wait(start: Start) -> None:
    container = start()
    driver = container.begun(f"trap '' TERM; {FOREVER}")
    driver.send_signal(signal.SIGTERM)
    time.sleep(0.5)

    assert stop(driver)[0] < 3
    assert container.codes() == [137]


def test_sigterm_before_the_loop_has_said_who_it_is(start: Start) -> None:
    """At the very start of the first stage nobody knows what to signal: the container goes, and comes back."""
    for _ in range(3):
        container = start(entrypoint=("sh", "-c", 'sleep 0.4; exec "$@"', "sh"))
        driver = container.driver("sleep 60")
        time.sleep(0.45)
        driver.send_signal(signal.SIGTERM)
        driver.communicate(timeout=20)
        assert container.run("echo next")[0][0] in (0, 137)


def test_a_stage_whose_driver_was_killed_is_ended_by_the_next(every_kind: BuildContainer) -> None:
    dead = every_kind.begun("sleep 1001")
    dead.kill()
    dead.communicate()

    codes, out, _ = every_kind.run("echo next; sleep 0.2; exit 4")
    assert codes == [4]
    assert out.endswith(b"next\n")
    assert not every_kind.sleeping()


def test_a_stage_that_outlived_its_driver_and_has_ended(start: Start) -> None:
    """What ends the old stage comes too late for it, and must not hit the new one."""
    for _ in range(5):
        container = start()
        dead = container.begun("exit 0")
        dead.kill()
        dead.communicate()
        (container.job / "build/ctl/1-1.script").write_text("")

        assert container.run("sleep 0.3; exit 4")[0] == [4]


def test_a_container_that_is_killed_under_its_stage(start: Start) -> None:
    container = start()
    driver = container.begun("sleep 60")
    container.engine.kill_container(container.name).value()
    out, _ = driver.communicate(timeout=10)

    assert container.codes() == [137]
    assert b"The build container ended while the stage ran (exit code 137)." in out
    assert b"killed from outside" in out
    assert container.run("echo next")[:2] == ([0], b"next\n")


def test_a_container_that_is_removed_under_its_stage(start: Start) -> None:
    container = start()
    driver = container.begun("sleep 60")
    container.remove()
    _, err = driver.communicate(timeout=10)

    assert b"SystemFailure: The build container was removed while the stage ran." in err


def test_a_container_that_is_removed_between_stages(start: Start) -> None:
    container = start()
    container.run("exit 0")
    container.remove()

    with container.driver("exit 0") as driver:
        _, err = driver.communicate(timeout=10)
    assert driver.returncode != 0
    assert b"SystemFailure: The build container is gone." in err


@pytest.mark.parametrize("how", ["stop?t=0", "kill", "restart?t=0"])
def test_a_container_that_is_stopped_between_stages_comes_back(every_kind: BuildContainer, how: str) -> None:
    every_kind.run("exit 0")
    every_kind.engine.ask("POST", f"/containers/{every_kind.name}/{how}").value()

    codes, out, _ = every_kind.run("echo again", "exit 3")
    assert codes == [0, 3]
    assert out.endswith(b"again\n")


def test_an_out_of_memory_kill_is_told(start: Start) -> None:
    """The kernel kills the greediest process, which the script outlives; its exit code is 137."""
    container = start(host_config={"Memory": 32 << 20, "MemorySwap": 32 << 20})

    assert container.run("head -c 200M /dev/zero | tail")[0] == [137]
    assert container.run("echo next")[:2] == ([0], b"next\n")


def test_an_entrypoint_that_runs_its_command(start: Start) -> None:
    container = start("virida-executor/test-entrypoint", variables={"SECRET": "it's"})

    assert container.run("echo $FROM_ENTRYPOINT $SECRET")[:2] == ([0], b"yes it's\n")
    assert "it's" not in str(container.engine.inspect_container(container.name).value())


@pytest.mark.parametrize(
    "entrypoint",
    [
        pytest.param(("/bin/sh", "-c"), id="sh -c"),
        pytest.param(("bash", "-lc"), id="bash -lc"),
        pytest.param(("/bin/bash",), id="a bare shell"),
        pytest.param(("",), id="cleared by an empty word"),
        pytest.param((), id="cleared"),
        pytest.param(("env", "A=b"), id="env"),
        pytest.param(("sh", "-c", '"$@"; echo after', "sh"), id="a wrapper that stays"),
        pytest.param(("sh", "-c", 'sleep 1004 & exec "$@"', "sh"), id="with a process of its own"),
    ],
)
def test_entrypoints_that_lead_to_the_loop(start: Start, entrypoint: tuple[str, ...]) -> None:
    container = start(entrypoint=entrypoint)
    codes, out, _ = container.run("sleep 1001 & echo one", "echo two; exit 3")

    assert (codes, out) == ([0, 3], b"one\ntwo\n")
    assert container.sleeping() == (["sleep 1004"] if "1004" in str(entrypoint) else [])


@pytest.mark.parametrize(
    "entrypoint",
    [("sh", "-c", '"$@"; echo after', "sh"), ("sh", "-c", 'sleep 1004 & exec "$@"', "sh")],
    ids=["a wrapper that stays", "with a process of its own"],
)
def test_ending_a_stage_spares_what_the_entrypoint_started(start: Start, entrypoint: tuple[str, ...]) -> None:
    container = start(entrypoint=entrypoint)
    driver = container.begun("sleep 60")
    began = container.state()["StartedAt"]

    assert stop(driver)[0] < 2
    assert container.run("echo next")[:2] == ([0], b"next\n")
    assert container.state()["StartedAt"] == began
    assert container.sleeping() == (["sleep 1004"] if "1004" in str(entrypoint) else [])


def test_a_killed_drivers_stage_behind_a_wrapper_that_stays(start: Start) -> None:
    """The loop is not the first process there, and must not be taken for something that its stage left."""
    container = start(entrypoint=("sh", "-c", '"$@"; echo after', "sh"))
    began = container.state()["StartedAt"]
    dead = container.begun("sleep 1001")
    dead.kill()
    dead.communicate()

    assert container.run("echo next")[:2] == ([0], b"next\n")
    assert container.state()["StartedAt"] == began


def test_a_slow_entrypoint_is_waited_for(start: Start) -> None:
    container = start(entrypoint=("sh", "-c", 'echo preparing; sleep 1; exec "$@"', "sh"))
    began = time.monotonic()

    assert container.run("echo ready")[:2] == ([0], b"ready\n")
    assert time.monotonic() - began > 0.7


def test_sigterm_while_a_slow_entrypoint_is_waited_for(start: Start) -> None:
    container = start(entrypoint=("sh", "-c", 'sleep 60; exec "$@"', "sh"))
    driver = container.driver("echo never")
    time.sleep(0.5)
    began = time.monotonic()
    driver.send_signal(signal.SIGTERM)
    out, err = driver.communicate(timeout=10)

    assert time.monotonic() - began < 2
    assert driver.returncode != 0
    assert b"Terminated" in err
    assert out == b""


def test_an_entrypoint_that_never_runs_its_command_is_the_stage(start: Start) -> None:
    """As under the docker executor, each stage starts it anew."""
    container = start(entrypoint=("sh", "-c", "echo i am the job; echo bad >&2; exit 3"))
    container.wait_until_ended()

    assert container.run("echo never")[:3] == ([3], b"i am the job\n", b"bad\n")
    codes, out, err = container.run("echo never")
    assert codes == [3]
    assert out.endswith(b"i am the job\n")
    assert err.endswith(b"bad\n")


def test_an_entrypoint_that_does_its_job_slowly(start: Start) -> None:
    container = start(entrypoint=("sh", "-c", "sleep 0.7; echo i am the job"))

    assert container.run("echo never")[:2] == ([0], b"i am the job\n")


@pytest.fixture
def neighbour(start: Start) -> Iterator[BuildContainer]:
    """A container whose processes another one sees; on a sign (`go`) it starts one more."""
    other = start(entrypoint=("sh", "-c", "until [ -e /go ]; do sleep 0.1; done; sleep 1978 & wait", "sh"))
    yield other
    other.remove()


def test_others_processes_are_never_signalled(start: Start, neighbour: BuildContainer) -> None:
    """A container that shares processes ends those of its own stage. Never try this with those of the host."""
    container = start(host_config={"PidMode": f"container:{neighbour.name}"})
    container.run("exit 0")
    neighbour.engine.run_to_end(neighbour.name, ["touch", "/go"])
    driver = container.begun(f"trap '' TERM; sleep 1979 & {FOREVER}", patience="0.3")

    assert stop(driver)[0] < 3
    assert container.codes() == [137]
    assert container.state()["Running"]
    assert neighbour.sleeping() == ["sleep 1978"]


def test_others_processes_are_never_signalled_by_who_does_not_know_the_loop(
    start: Start, neighbour: BuildContainer
) -> None:
    """SIGTERM comes before the loop has said which processes are older than it."""
    container = start(host_config={"PidMode": f"container:{neighbour.name}"})
    neighbour.engine.run_to_end(neighbour.name, ["touch", "/go"])
    dead = container.begun("sleep 1979")
    dead.kill()
    dead.communicate()
    (container.job / "build/loop").unlink()

    assert container.run("echo next")[:2] == ([0], b"next\n")
    assert neighbour.sleeping() == ["sleep 1978"]
