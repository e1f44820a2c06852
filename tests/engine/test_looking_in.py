"""Looking at living jobs of this host: ps, logs, shell, and failed jobs that are kept for it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.e2e.jobs import Job, variable
from tests.e2e.runner import LAUNCHER, left_of, wait_until_empty

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import StartJob
    from tests.engine.jobs import Driver

REDIS = {"name": "virida-executor/test-redis", "alias": "db"}


def executor(driver: Driver, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command that a person types, on the host of `driver`."""
    return subprocess.run(
        [LAUNCHER, "--config", str(driver.folder / "config.toml"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "TMPDIR": "/tmp", "COLUMNS": "200"},
    )


def ps(driver: Driver) -> dict[str, Any]:
    """The one job that `executor ps` shows."""
    shown = executor(driver, "ps", "--json")
    assert shown.returncode == 0, shown.stderr
    answer = json.loads(shown.stdout)
    assert answer["version"] == 1
    (job,) = answer["jobs"]
    return dict(job)


def on_terminal(driver: Driver, words: list[str], typed: str = "", prompt: str = "#") -> tuple[int, str]:
    """A command on a terminal of 100 columns, `typed` at the prompt: its exit code, and all that it showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm", COLUMNS="100")
        os.execv(LAUNCHER, ["executor", "--config", str(driver.folder / "config.toml"), *words])
    seen, deadline = b"", time.monotonic() + 30
    while time.monotonic() < deadline:
        if typed and prompt.encode() in seen:
            os.write(terminal, typed.encode())
            typed = ""
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:
                break
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode(errors="replace")


def keep(driver: Driver, lines: str) -> Driver:
    """The operator's word on keeping."""
    with (driver.folder / "executor.toml").open("a") as file:
        file.write(f"[keep]\n{lines}\n")
    return driver


def fail(driver: Driver) -> str:
    """A job whose script fails, up to its cleanup; what its log says last."""
    driver.prepared()
    assert driver.run("mkdir -p $0.d", "echo kept > /evidence", "exit 3").code == 1
    driver.environment["CUSTOM_ENV_CI_JOB_STATUS"] = "failed"
    said = driver.run(":", stage="cleanup_file_variables")
    assert said.code == 0
    assert driver.call("cleanup").code == 0
    return said.output


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_ps_shows_a_job_with_its_stage_and_what_it_uses(driver: StartJob) -> None:
    job = driver(Job(script=[], ref="main"), changes={"services": [REDIS]})
    job.prepared()
    assert ps(job)["stage"] == "prepare"

    busy = job.begin("run", job.script("while :; do :; done"), "build_script")
    until(lambda: ps(job)["stage"] == "build_script")
    time.sleep(1)
    shown = ps(job)
    table = executor(job, "ps").stdout.splitlines()
    busy.terminate()
    busy.wait(20)

    assert (shown["id"], shown["project"], shown["ref"], shown["state"]) == (
        job.job.id,
        job.job.project,
        "main",
        "running",
    )
    roles = {one["role"]: one for one in shown["containers"]}
    assert set(roles) == {"build", "service", "helper"}
    assert roles["build"]["cpus"] > 0.1
    assert roles["helper"]["cpus"] < 0.1
    assert 0 < roles["build"]["memory"] < roles["service"]["memory"] < roles["service"]["memory_limit"]
    assert "db" in roles["service"]["aliases"]
    assert table[0].split("\t")[:5] == ["Job", "Project", "Name", "Ref", "Stage"]
    assert table[1].split("\t")[4] == "build_script"
    assert table[1].split("\t")[-1] == "build db helper"


def test_ps_on_a_terminal_is_a_table_that_no_name_can_break(driver: StartJob) -> None:
    job = driver(
        Job(script=[]), changes={"job_info": {"name": "a\x1b[2J\rb\u202e", "project_id": 1, "project_full_path": "g/p"}}
    )
    job.prepared()
    job.run(":", stage="step_\x1b]0;title\x07\n[red]x[/red]")

    code, seen = on_terminal(job, ["ps"])

    plain = re.sub(r"\x1b\[[0-9;]*m", "", seen)
    assert code == 0
    assert "\x1b" not in plain
    assert "\x07" not in plain
    assert "\u202e" not in plain
    assert "[red]x[/red]" in plain.replace("\r\n", "").replace(" ", "") or "[red]" in plain
    assert all(len(line) <= 100 for line in plain.splitlines())
    assert len(executor(job, "ps").stdout.splitlines()) == 2


def test_no_job_is_no_failure(driver: StartJob) -> None:
    job = driver(Job(script=[]))
    shown = executor(job, "ps", "--json")

    assert (shown.returncode, json.loads(shown.stdout)["jobs"]) == (0, [])


def test_an_engine_that_does_not_answer_hides_no_job(driver: StartJob) -> None:
    job = driver(Job(script=[]))
    job.prepared()
    (folder,) = (job.folder / "state" / "jobs").iterdir()
    state = folder / "state.json"
    whole = state.read_text()
    state.write_text(
        json.dumps(json.loads(whole) | {"engine": {"host": "unix:///no/engine", "certificates": "", "verify": False}})
    )

    shown = executor(job, "ps")
    state.write_text(whole)

    assert shown.returncode == 1
    assert str(job.job.id) in shown.stdout
    assert "There is no Docker Engine at unix:///no/engine" in shown.stderr


def test_logs_are_what_containers_wrote_themselves(driver: StartJob) -> None:
    job = driver(Job(script=[], image="virida-executor/test-entrypoint"), changes={"services": [REDIS]})
    job.prepared()
    assert "from the script" in job.run("echo from the script").output

    logs = executor(job, "logs", str(job.job.id))
    service = executor(job, "logs", str(job.job.id), "--service", "db", "--tail", "1")

    assert logs.returncode == 0, logs.stderr
    assert re.search(r"^build \| ", logs.stdout, re.MULTILINE)
    assert re.search(r"^db \| .*Ready to accept connections", logs.stdout, re.MULTILINE | re.IGNORECASE)
    assert "from the script" not in logs.stdout
    assert len(service.stdout.splitlines()) == 1


def test_containers_that_wrote_nothing(driver: StartJob) -> None:
    job = driver(Job(script=[]))
    job.prepared()

    logs = executor(job, "logs", str(job.job.id))

    assert (logs.returncode, logs.stdout) == (0, "")
    assert "in GitLab" in logs.stderr


def test_followed_logs_end_with_the_containers(driver: StartJob) -> None:
    job = driver(Job(script=[]), changes={"services": [REDIS]})
    job.prepared()
    command = [str(LAUNCHER), "--config", str(job.folder / "config.toml"), "logs", str(job.job.id), "--follow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout
        assert following.stdout.readline().startswith("db | ")
        job.call("cleanup")
        rest, _ = following.communicate(timeout=20)

    assert following.returncode == 0
    assert all(line.startswith("db | ") for line in rest.splitlines())


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["logs", "7"], "no job '7'"),
        (["logs"], "required: JOB"),
        (["logs", "JOB", "--service", "nope"], "no service 'nope'"),
        (["logs", "JOB", "--tail", "x"], "'x' is no number of lines"),
        (["logs", "JOB", "--helper", "--service", "db"], "not allowed with"),
        (["shell", "JOB"], "not a terminal"),
        (["ps", "--config", "/no/config.toml"], "there is no file /no/config.toml"),
        (["gc", "--older-than", "a while"], "not a span of time"),
    ],
)
def test_wrong_calls(driver: StartJob, words: list[str], complaint: str) -> None:
    job = driver(Job(script=[]))
    job.prepared()

    called = executor(job, *(str(job.job.id) if word == "JOB" else word for word in words))

    assert called.returncode == 2
    assert complaint in called.stderr
    assert called.stderr.count("\n") == 1


def test_a_shell_in_the_build_container(driver: StartJob) -> None:
    job = driver(Job(script=[]))
    job.prepared()
    project = f"/builds/{job.job.project}"
    assert job.run(f"mkdir -p {project}").code == 0

    code, seen = on_terminal(job, ["shell", str(job.job.id)], "echo at=$PWD shell=${0##*/}; exit 7\n")

    assert code == 7
    assert f"at={project} shell=bash" in seen


def test_a_shell_in_an_image_without_bash(driver: StartJob) -> None:
    job = driver(Job(script=[], image="virida-executor/test-busybox"))
    job.prepared()

    code, seen = on_terminal(job, ["shell", str(job.job.id)], "echo shell=$0; exit 0\n")

    assert code == 0
    assert re.search(r"shell=(ash|sh)\b", seen)


def test_a_shell_in_a_service_and_in_the_helper(driver: StartJob) -> None:
    job = driver(Job(script=[]), changes={"services": [REDIS]})
    job.prepared()

    _, service = on_terminal(job, ["shell", str(job.job.id), "--service", "db"], "cat /proc/1/comm; exit\n")
    _, helper = on_terminal(job, ["shell", str(job.job.id), "--helper"], "git --version; exit\n")

    assert "redis" in service
    assert "git version" in helper


def test_a_failed_job_is_kept_for_its_time(driver: StartJob) -> None:
    job = keep(driver(Job(script=[])), 'on_failure = "8s"')
    said = fail(job)
    began = time.monotonic()

    assert f"shell {job.job.id}" in said
    assert f"--config {job.folder}/config.toml" in said
    assert (ps(job)["state"], ps(job)["kept_until"] is not None) == ("kept", True)
    assert "Nothing is left over" in executor(job, "gc", "--yes").stdout
    code, seen = on_terminal(job, ["shell", str(job.job.id)], "cat /evidence; exit 0\n")
    assert (code, "kept" in seen.partition("exit 0")[2]) == (0, True)
    assert wait_until_empty(lambda: left_of(job.job.id), 20) == []
    assert time.monotonic() - began > 5
    until(lambda: not list((job.folder / "state" / "jobs").iterdir()))


def test_a_kept_jobs_build_container_that_ended_is_started_for_the_shell(driver: StartJob) -> None:
    job = keep(driver(Job(script=[])), 'on_failure = "20s"')
    fail(job)
    subprocess.run(["docker", "kill", job.inspect("build")["Id"]], check=True, capture_output=True)

    code, seen = on_terminal(job, ["shell", str(job.job.id)], "cat /evidence; exit 0\n")

    assert (code, "kept" in seen.partition("exit 0")[2]) == (0, True)
    _let_go(job)


def test_the_next_job_of_the_slot_does_not_get_a_kept_jobs_sources(driver: StartJob) -> None:
    kept = keep(driver(Job(script=[], git_strategy="fetch", project="virida/shared")), 'on_failure = "60s"')
    fail(kept)
    following = driver(Job(script=[], git_strategy="fetch", project="virida/shared"), state=kept.folder / "state")
    following.environment["CUSTOM_ENV_CI_RUNNER_SHORT_TOKEN"] = kept.environment["CUSTOM_ENV_CI_RUNNER_SHORT_TOKEN"]
    began = time.monotonic()
    following.prepared()

    sources = [{mount["Source"] for mount in job.inspect("build")["Mounts"]} for job in (kept, following)]

    assert not any("/builds/" in path for path in sources[0] & sources[1])
    assert time.monotonic() - began < 15
    _let_go(kept)


@pytest.mark.parametrize(
    ("settings", "asked", "kept"),
    [('max = "1h"', "30s", True), ('max = "1h"', None, False), ("", "30s", False), ('on_failure = "1h"', "0", False)],
    ids=["allowed", "not asked for", "not allowed", "the job wants none"],
)
def test_who_decides(driver: StartJob, settings: str, asked: str | None, kept: bool) -> None:
    variables = [] if asked is None else [variable("VIRIDA_KEEP_ON_FAILURE", asked)]
    job = keep(driver(Job(script=[], variables=variables)), settings)

    said = fail(job)

    assert ("kept until" in said) is kept
    assert bool(wait_until_empty(lambda: left_of(job.job.id), 0 if kept else 15)) is kept
    if kept:
        _let_go(job)


def test_success_is_not_kept(driver: StartJob) -> None:
    job = keep(driver(Job(script=[])), 'on_failure = "1h"')
    job.prepared()
    assert job.run("true").code == 0
    job.environment["CUSTOM_ENV_CI_JOB_STATUS"] = "success"
    assert "kept" not in job.run(":", stage="cleanup_file_variables").output
    job.call("cleanup")

    assert wait_until_empty(lambda: left_of(job.job.id), 15) == []


def test_a_kept_job_whose_sleeper_died_is_removed_by_gc(driver: StartJob) -> None:
    job = keep(driver(Job(script=[])), 'on_failure = "1h"')
    fail(job)
    _kill_sleeper(job)
    assert ps(job)["state"] == "kept"
    _set_time_over(job)

    dry = executor(job, "gc", "--json")
    wet = executor(job, "gc", "--yes")

    assert [one["why"] for one in json.loads(dry.stdout)["found"]] == ["it was kept for a look, that time is over"]
    assert (wet.returncode, left_of(job.job.id)) == (0, [])


def _set_time_over(job: Driver) -> None:
    (folder,) = (job.folder / "state" / "jobs").iterdir()
    (folder / "kept").write_text(f"{time.time() - 1:.0f} 60")


def _let_go(job: Driver) -> None:
    """Remove a kept job before its time is over; its sleeper need not be waited for."""
    assert executor(job, "gc", "--kept", "--yes").returncode == 0
    assert left_of(job.job.id) == []
    _kill_sleeper(job)


def _kill_sleeper(job: Driver) -> None:
    """End the process in the background that `cleanup` of this very job left."""
    kill_calls(job, "cleanup")


def kill_calls(job: Driver, phase: str) -> None:
    """End all processes that a call of this very job's driver left."""
    own = [phase, "--config", str(job.folder / "config.toml")]
    for process in psutil.process_iter(["cmdline"]):
        if (process.info["cmdline"] or [])[-3:] == own:
            process.kill()
