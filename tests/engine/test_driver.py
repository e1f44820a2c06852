"""The whole driver by its command line: what gitlab-runner sees of it, and what people read when things are wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import docker
import pytest

from executor import __version__
from tests.e2e.runner import LAUNCHER, left_of
from tests.engine.calls import Calls, Ended, Host, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    MakeHost = Callable[..., Host]


@pytest.fixture
def make_host(tmp_path: Path) -> Iterator[MakeHost]:
    """A function that makes a host; when the test is over its jobs are ended, and nothing of them may be left."""
    hosts: list[Host] = []

    def make(**options: Any) -> Host:
        hosts.append(Host(tmp_path / f"host{len(hosts)}", **options))
        return hosts[-1]

    yield make
    for host in hosts:
        for calls in host.calls:
            if calls.tmpdir.exists():
                calls.environment.pop("TMPDIR", None)
                calls.end()
    for host in hosts:
        host.assert_nothing_left()


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    return make_host()


def containers(calls: Calls) -> dict[str, Any]:
    """The job's containers by role, as the Engine shows them."""
    client = docker.from_env()
    try:
        found = client.api.containers(all=True, filters={"label": f"com.gitlab.gitlab-runner.job.id={calls.job.id}"})
        return {one["Labels"]["io.virida.executor.role"]: client.api.inspect_container(one["Id"]) for one in found}
    except docker.errors.NotFound:
        # The Engine lists a container a moment before it can be looked at.
        return {}
    finally:
        client.close()


# Jobs that go well.


def test_what_config_answers(host: Host) -> None:
    ended = host.job().call("config")

    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) == {
        "driver": {"name": "virida-executor", "version": __version__},
        "builds_dir": "/builds",
        "cache_dir": "/cache",
        "builds_dir_is_shared": False,
    }


def test_a_job(host: Host) -> None:
    calls = host.job().prepared()

    assert calls.run("echo helper; git --version", "get_sources").out.startswith("helper\ngit version ")
    assert calls.run("echo build; echo bad >&2; cat /etc/debian_version").out.startswith("build\n12")
    assert not calls.exit_code_file.exists()
    assert set(containers(calls)) == {"helper", "build"}
    assert [calls.end().text for _ in range(1)] == [""]


@pytest.mark.parametrize("code", [1, 2, 42, 255])
def test_the_exit_code_of_a_script_is_for_the_runner_only(host: Host, code: int) -> None:
    """1 from the driver is `the script failed`; 2 would be a system failure, whatever the script exits with."""
    calls = host.job().prepared()
    calls.exit_code_file.write_text("7\n")

    assert calls.run(f"exit {code}").code == 1
    assert calls.exit_code_file.read_text() == f"{code}\n"


def test_prepare_begins_by_itself_where_config_is_not_called(host: Host) -> None:
    calls = host.job()

    assert calls.call("prepare").code == 0
    assert calls.run("echo yes").out == "yes\n"


def test_prepare_twice_is_told_and_harms_nothing(host: Host) -> None:
    calls = host.job().prepared()

    failed(calls.call("prepare"), 2, "This job is prepared already.", "called twice")
    assert calls.run("echo yes").out == "yes\n"


def test_cleanup_may_be_repeated(host: Host) -> None:
    calls = host.job().prepared()
    for _ in range(3):
        ended = calls.call("cleanup")
        assert (ended.code, ended.text) == (0, "")
    host.assert_nothing_left()
    assert calls.call("cleanup").code == 0


def test_cleanup_does_not_wait_for_the_removal(host: Host) -> None:
    """GitLab hears of the job's end after it; the runner waits until all pipes are closed."""
    calls = host.job().prepared()
    began = time.monotonic()
    calls.call("cleanup")

    assert time.monotonic() - began < 1


@pytest.mark.parametrize("phases", [(), ("config",)])
def test_cleanup_after_nothing_or_half(host: Host, phases: tuple[str, ...]) -> None:
    calls = host.job()
    for phase in phases:
        calls.call(phase)

    assert (calls.end().code, calls.tmpdir.exists()) == (0, False)
    host.assert_nothing_left()


def test_no_secret_is_in_the_containers_metadata_or_the_hosts_processes(host: Host) -> None:
    secret = f"s3cret-{os.getpid()}"
    calls = host.job("virida-executor/test-entrypoint", variables=[{"key": "PASSWORD", "value": secret}]).prepared()
    driver = calls.begin("run", calls.script(f'test "$PASSWORD" = {secret} && echo known; sleep 1'), "build_script")
    assert driver.stdout
    assert driver.stdout.readline() == b"known\n"
    seen = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout

    assert secret not in seen
    assert secret not in json.dumps(list(containers(calls).values()))
    assert Ended(driver).code == 0


# Jobs that are cut off.


@pytest.fixture
def silent_registry() -> Iterator[str]:
    """The address of a registry that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def test_sigterm_in_prepare(host: Host, silent_registry: str) -> None:
    calls = host.job(f"{silent_registry}/app:1")
    calls.call("config")
    prepare = calls.begin("prepare")
    assert prepare.stdout
    assert b"Pulling" in prepare.stdout.readline()
    began = time.monotonic()
    os.killpg(prepare.pid, signal.SIGTERM)
    ended = Ended(prepare)

    assert (ended.code, time.monotonic() - began < 2) == (2, True)
    assert "Traceback" not in ended.text
    calls.end()
    host.assert_nothing_left()


@pytest.mark.parametrize("pause", [0.15, 0.25, 0.35, 0.5])
def test_sigterm_at_any_moment_of_prepare(host: Host, pause: float) -> None:
    calls = host.job()
    calls.call("config")
    prepare = calls.begin("prepare")
    time.sleep(pause)
    os.killpg(prepare.pid, signal.SIGTERM)
    ended = Ended(prepare)

    assert ended.code in (2, -signal.SIGTERM, 0)
    assert "Traceback" not in ended.text
    calls.end()
    host.assert_nothing_left()


def test_a_stage_of_a_half_made_sandbox_is_refused_at_once(host: Host) -> None:
    """The runner never asks for one; nothing may wait for containers that nobody goes on making."""
    calls = host.job()
    assert calls.call("config").code == 0
    prepare = calls.begin("prepare")
    wait_until(lambda: list(host.state_dir.glob("jobs/*/build/ctl/status")))
    prepare.kill()
    prepare.communicate()
    assert calls.run("true").code == 2
    calls.end()


def test_a_powershell_script_is_refused(host: Host) -> None:
    calls = host.job().prepared()
    script = calls.tmpdir / "script.ps1"
    script.write_text("Write-Output 1")
    refused = calls.call("run", str(script), "prepare_script")
    assert refused.code == 2
    assert 'shell = "bash"' in refused.text
    calls.end()


def test_what_crashes_leave_is_swept_by_a_later_job(host: Host) -> None:
    """The driver is killed at several moments, each time together with its runner, and no cleanup ever runs."""
    moments: list[Callable[[Calls], object]] = [
        lambda calls: list(host.state_dir.glob(f"jobs/{calls.job.id}-*/state.json")),
        lambda calls: [found for found in left_of(calls.job.id) if found.startswith("network")],
        lambda calls: "build" in containers(calls),
    ]
    for moment in moments:
        calls = host.job()
        prepare = calls.begin("prepare")
        wait_until(lambda calls=calls, moment=moment: moment(calls))  # type: ignore[misc]
        os.killpg(prepare.pid, signal.SIGKILL)
        prepare.communicate()
        calls.vanish()

    living = host.job().prepared()
    wait_until(lambda: host.jobs() == [name for name in host.jobs() if name.startswith(str(living.job.id))], 40)
    assert not [found for calls in host.calls[:-1] for found in left_of(calls.job.id)]
    assert living.run("echo alive").out == "alive\n"


def test_a_sweep_leaves_living_jobs_and_other_hosts_alone(make_host: MakeHost) -> None:
    one, other = make_host(), make_host()
    living, foreign = one.job().prepared(), other.job().prepared()
    (one.state_dir / "swept").unlink(missing_ok=True)
    one.job().prepared()
    time.sleep(1)

    for calls in (living, foreign):
        assert calls.run("echo alive").out == "alive\n"


def test_a_driver_that_is_killed_in_a_stage(host: Host) -> None:
    calls = host.job().prepared()
    driver = calls.begin("run", calls.script("echo begun; sleep 60"), "build_script")
    assert driver.stdout
    assert driver.stdout.readline() == b"begun\n"
    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()

    assert calls.run("echo after", "after_script").out == "after\n"


def test_sigterm_in_a_stage_is_never_a_success(host: Host) -> None:
    calls = host.job().prepared()
    driver = calls.begin("run", calls.script("trap 'exit 0' TERM; echo begun; while :; do sleep 0.1; done"), "step_x")
    assert driver.stdout
    assert driver.stdout.readline() == b"begun\n"
    os.killpg(driver.pid, signal.SIGTERM)

    assert Ended(driver).code == 1
    assert calls.exit_code_file.read_text() == "143\n"


# The host is wrong.


def failed(ended: Ended, code: int, *words: str) -> None:
    assert ended.code == code, ended.text
    for word in words:
        assert word in ended.text


def forget_what_no_engine_can_be_asked_about(calls: Calls) -> None:
    """The state of a job whose Engine is away is kept until it is back. Here it never was."""
    calls.end()
    assert [name.startswith(str(calls.job.id)) for name in calls.host.jobs()] == [True]
    shutil.rmtree(calls.host.state_dir)


def test_no_engine(host: Host, tmp_path: Path) -> None:
    calls = host.job()
    calls.environment["DOCKER_HOST"] = f"unix://{tmp_path}/docker.sock"

    failed(calls.call("prepare"), 2, f"There is no Docker Engine at unix://{tmp_path}/docker.sock.", "docker info")
    forget_what_no_engine_can_be_asked_about(calls)


def test_an_engine_that_is_stopped(host: Host, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "docker.sock"))
    calls = host.job()
    calls.environment["DOCKER_HOST"] = f"unix://{tmp_path}/docker.sock"

    failed(calls.call("prepare"), 2, "refuses connections", "systemctl status docker")
    forget_what_no_engine_can_be_asked_about(calls)


def test_an_engine_that_says_what_nobody_understands(host: Host, tmp_path: Path) -> None:
    program = (
        "import socket, sys\ns = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print(flush=True)\n"
        "while True:\n    c, _ = s.accept(); c.recv(65536); c.sendall(b'SSH-2.0-OpenSSH\\r\\n'); c.close()"
    )
    path = tmp_path / "docker.sock"
    with subprocess.Popen([os.path.dirname(LAUNCHER) + "/python", "-c", program, path], stdout=subprocess.PIPE) as odd:
        assert odd.stdout
        odd.stdout.readline()
        calls = host.job()
        calls.environment["DOCKER_HOST"] = f"unix://{path}"
        ended = calls.call("prepare")
        forget_what_no_engine_can_be_asked_about(calls)
        odd.kill()

    failed(ended, 2, "an answer that is not HTTP")


def test_an_engine_that_this_account_may_not_use(host: Host, tmp_path: Path) -> None:
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if os.geteuid() or subprocess.run([*other, LAUNCHER, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("no other user can run the launcher here")
    calls = host.job()
    for folder in (host.folder, calls.tmpdir, tmp_path, *list(tmp_path.parents)[:-2]):
        subprocess.run(["chmod", "a+rwx", str(folder)], check=True)
    calls.response.chmod(0o644)
    ended = subprocess.run(
        [*other, LAUNCHER, "prepare", "--config", str(host.config)],
        env=calls.variables(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert "nobody may not open the Docker socket" in ended.stdout
    assert "usermod -aG docker nobody" in ended.stdout


def test_no_state_folder_can_be_made(make_host: MakeHost, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    calls = make_host(state_dir=tmp_path / "file" / "state").job()

    for phase in ("config", "prepare"):
        failed(calls.call(phase), 2, "Cannot write in the state folder (Not a directory", "`state_dir` under [storage]")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of next to no size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Fill the disk to its last byte."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (65536, 512, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    return filler


@pytest.mark.parametrize("phase", ["config", "prepare"])
def test_a_full_disk_at_the_beginning(tiny_disk: Path, make_host: MakeHost, phase: str) -> None:
    calls = make_host(state_dir=tiny_disk / "state").job()
    filler = fill(tiny_disk)

    failed(calls.call(phase), 2, "No space left on device", "df -h")
    assert calls.end().code == 0
    filler.unlink()


def test_a_disk_that_fills_while_the_job_runs(tiny_disk: Path, make_host: MakeHost) -> None:
    host = make_host(state_dir=tiny_disk / "state")
    calls = host.job().prepared()
    assert calls.run("echo before").out == "before\n"
    filler = fill(tiny_disk)

    failed(calls.run("echo never"), 2, "No space left on device", "df -h")
    assert calls.end().code == 0
    host.assert_nothing_left()
    filler.unlink()


def test_the_state_of_another_version(host: Host) -> None:
    calls = host.job().prepared()
    (state,) = host.state_dir.glob("jobs/*/state.json")
    facts = json.loads(state.read_text())
    state.write_text(json.dumps(facts | {"version": 999}))
    name = facts["containers"]["build"]
    subprocess.run(["docker", "kill", name], capture_output=True, check=True)

    failed(calls.run("echo never"), 2, "another version of virida-executor", "Retry the job")
    state.write_text(json.dumps(facts))


@pytest.mark.parametrize("text", ["", '{"version": 1, "contai', "[]"])
def test_a_state_that_is_cut_off(host: Host, text: str) -> None:
    """Cleaning up needs no state: all that was made carries the job's label."""
    calls = host.job().prepared()
    (state,) = host.state_dir.glob("jobs/*/state.json")
    name = json.loads(state.read_text())["containers"]["build"]
    state.write_text(text)
    subprocess.run(["docker", "kill", name], capture_output=True, check=True)

    failed(calls.run("echo never"), 2, "The job's state cannot be read")
    assert calls.end().code == 0
    host.assert_nothing_left()


def test_a_state_folder_that_somebody_emptied(host: Host) -> None:
    calls = host.job().prepared()
    subprocess.run(["rm", "-rf", str(host.state_dir / "jobs")], check=True)

    failed(calls.run("echo never"), 2, "Nothing is prepared for this job")
    assert calls.end().code == 0
    host.assert_nothing_left()


@pytest.mark.parametrize("value", ["-", "", "/nowhere/at/all"])
@pytest.mark.parametrize("phase", ["config", "prepare", "run", "cleanup"])
def test_no_tmpdir(host: Host, phase: str, value: str) -> None:
    calls = host.job()
    calls.environment["TMPDIR"] = value
    words = ("script", "build_script") if phase == "run" else ()

    failed(calls.call(phase, *words), 2, "TMPDIR names no folder")


# The settings are wrong.


@pytest.mark.parametrize("phase", ["config", "prepare"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[runners]\nname = 1", ("line 1",)),
        ('[[runners]]\nexecutor = "custom"\n[runners.docker]\nmemory = 5', ("line 4", "memory")),
        ('[[runners]]\nexecutor = "custom"\n[runners.docker]\nprivileged = "yes"', ("line 4", "privileged")),
        ('[[runners]]\nexecutor = "custom"\n[runners.docker]\nvolumes = "/x"', ("line 4", "volumes")),
        ("runners = 5", ("runners",)),
        ("\0", ("line 1",)),
    ],
    ids=["not TOML", "a number for a size", "a word for a switch", "a word for a list", "no section", "not text"],
)
def test_a_wrong_config_toml(host: Host, phase: str, text: str, words: tuple[str, ...]) -> None:
    host.config.write_text(text)
    ended = host.job().call(phase)

    failed(ended, 2, str(host.config), *words)
    assert (ended.out == "") == (phase == "config")


@pytest.mark.parametrize("kind", ["missing", "folder", "loop"])
def test_a_config_toml_that_cannot_be_read(host: Host, kind: str) -> None:
    host.config.unlink()
    if kind == "folder":
        host.config.mkdir()
    elif kind == "loop":
        host.config.symlink_to(host.config)

    failed(host.job().call("config"), 2, str(host.config))


def test_an_unknown_key_is_a_warning_in_the_job_log(make_host: MakeHost) -> None:
    calls = make_host(docker='    memroy = "1g"').job()
    answer = calls.call("config")
    prepare = calls.call("prepare")

    assert (answer.code, prepare.code) == (0, 0)
    assert json.loads(answer.out)
    assert "WARNING: " in prepare.out
    assert "memroy" in prepare.out
    assert "memory" in prepare.out


# The job is wrong.


def test_an_image_that_is_not_here(make_host: MakeHost) -> None:
    calls = make_host(docker='    allowed_pull_policies = ["never"]').job(
        {"name": "virida-executor/no-such:1", "pull_policy": ["never"]}
    )

    failed(calls.call("prepare"), 2, "IMAGE NOT FOUND: virida-executor/no-such:1 is not on this host", "docker pull")


def test_a_registry_that_is_not_there(host: Host) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{free.getsockname()[1]}/app:1"

    failed(host.job(name).call("prepare"), 2, f"REGISTRY UNREACHABLE: {name} could not be pulled", "docker pull")


def test_an_image_without_a_shell(host: Host) -> None:
    ended = host.job("virida-executor/test-noshell").call("prepare")

    failed(ended, 1, "IMAGE WITHOUT A SHELL: virida-executor/test-noshell:latest cannot run `sh`", "bash or sh")


def test_a_user_that_the_image_does_not_know(host: Host) -> None:
    calls = host.job({"name": "debian:12", "executor_opts": {"docker": {"user": "nobody-knows"}}})

    failed(calls.call("prepare"), 1, "UNKNOWN USER: debian:12 has no user 'nobody-knows'")


@pytest.mark.parametrize("phase", ["config", "prepare"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "does not exist"),
        ("", "is not valid JSON"),
        ('{"id": 5, "job_in', "is not valid JSON"),
        ("[]", "is malformed"),
        ('{"id": "secret-token"}', "is malformed"),
    ],
    ids=["missing", "empty", "cut off", "a list", "of another shape"],
)
def test_a_job_file_that_is_wrong(host: Host, phase: str, text: str | None, words: str) -> None:
    calls = host.job()
    calls.response.unlink()
    if text is not None:
        calls.response.write_text(text)
    ended = calls.call(phase)

    failed(ended, 2, str(calls.response), words)
    assert "secret-token" not in ended.text


@pytest.mark.parametrize("value", ["-", ""])
def test_no_job_file(host: Host, value: str) -> None:
    calls = host.job()
    calls.environment["JOB_RESPONSE_FILE"] = value

    failed(calls.call("prepare"), 2, "JOB_RESPONSE_FILE is not set", "`executor exec`")


def test_a_script_that_is_not_there(host: Host) -> None:
    calls = host.job().prepared()

    failed(
        calls.call("run", "/no/such/script", "build_script"), 2, "script /no/such/script cannot be read: No such file"
    )
    assert not calls.exit_code_file.exists()
    assert calls.run("echo next").out == "next\n"


def test_a_stage_that_does_not_exist(host: Host) -> None:
    calls = host.job().prepared()

    failed(calls.run("echo never", "resolve_secrets"), 2, "a stage that this driver does not know: 'resolve_secrets'")
    assert calls.run("echo yes", "step_Any Name/../x").out == "yes\n"


@pytest.mark.parametrize(
    "image", ["debian:12:13", "UPPER/case", "a b", "../../x", "$(touch x)", "debian@sha256:12", "-v"]
)
def test_names_of_images_that_are_none(host: Host, image: str) -> None:
    ended = host.job(image).call("prepare")

    assert ended.code == 1
    assert "is not the name of an image" in ended.text or "IMAGE NOT FOUND" in ended.text
