"""Secrets of a job: on no command line, in no metadata, in no file for others, and gone when the job is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.jobs import variable
from tests.engine.calls import Calls, Host, wait_until
from tests.engine.security import (
    command_lines,
    files_below,
    host_in,
    in_container,
    inspected,
    open_to_others,
    secrets_in,
    spelled,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MASKED = "m4sked p@ss/w0rd+é"
IN_FILE = "f1le-variable&content"
REGISTRY = "r3gistry-passw0rd="
LOGIN = "auth-c0nfig:passw0rd"
AUTH_CONFIG = json.dumps({"auths": {"registry.invalid": {"username": "ada", "password": LOGIN}}})
BUSYBOX = "virida-executor/test-busybox"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with host_in(tmp_path / "host") as host:
        yield host


def secret_job(host: Host, image: str = "debian:12") -> Calls:
    """A job that has every kind of secret, and a service."""
    calls = host.job(
        image,
        git_strategy="fetch",
        services=[{"name": BUSYBOX, "command": ["sleep", "600"]}],
        variables=[
            variable("MASKED", MASKED, masked=True, raw=True),
            variable("FILE", IN_FILE, file=True, masked=True),
            variable("DOCKER_AUTH_CONFIG", AUTH_CONFIG, raw=True),
            variable("PUBLIC", "within $MASKED"),
        ],
    )
    response = json.loads(calls.response.read_text())
    login = {"type": "registry", "url": "r.invalid", "username": "gitlab-ci-token", "password": REGISTRY}
    calls.response.write_text(json.dumps({**response, "credentials": [login]}))
    calls.response.chmod(0o600)
    calls.environment["CUSTOM_ENV_PUBLIC"] = f"within {MASKED}"
    return calls


def secrets_of(calls: Calls) -> list[str]:
    return [MASKED, IN_FILE, REGISTRY, LOGIN, calls.job.token]


def running_script(calls: Calls) -> str:
    """A script as the runner makes it: with all variables in it, running for a while."""
    exports = "".join(f"export S{n}='{secret}'\n" for n, secret in enumerate(secrets_of(calls)))
    return f'{exports}mkdir -p /builds/{calls.job.project}.tmp\necho "$S1" > /builds/{calls.job.project}.tmp/FILE\n'


def test_the_search_finds_what_it_looks_for() -> None:
    for number, spelling in enumerate(sorted(spelled(MASKED))):
        assert secrets_in(b"before " + spelling + b" after", [MASKED]) == [MASKED], number
    assert secrets_in(b"nothing", [MASKED]) == []


@pytest.mark.parametrize("image", ["debian:12", "virida-executor/test-entrypoint"])
def test_while_a_job_runs(host: Host, image: str) -> None:
    calls = secret_job(host, image)
    said = "".join(calls.call(phase).text for phase in ("config", "prepare"))
    script = calls.script(running_script(calls) + f"touch /builds/runs; sleep 60.{calls.job.id}")
    with calls.begin("run", script, "build_script") as stage:
        wait_until(lambda: list(host.state_dir.rglob("runs")))
        secrets = secrets_of(calls)
        shown = {f"argv of {pid}": secrets_in(line, secrets) for pid, line in command_lines().items()}
        shown |= {f"inspect {name}": secrets_in(told, secrets) for name, told in inspected(calls).items()}
        shown |= {
            str(path): secrets_in(path.read_bytes(), secrets)
            for root in (host.state_dir, calls.tmpdir)
            for path in files_below(root)
            if open_to_others(path, root) or path.name in ("state.json", "audit.jsonl")
        }
        stage.terminate()
        said += "".join(stream.read().decode() for stream in (stage.stdout, stage.stderr) if stream)
    assert len([name for name in shown if name.startswith("inspect")]) == 4
    assert {f"{host.state_dir}/audit.jsonl"} <= shown.keys()
    assert {place: found for place, found in shown.items() if found} == {}
    assert secrets_in(said.encode(), secrets_of(calls)) == []


def test_the_folders_of_a_job_keep_others_out(host: Host) -> None:
    calls = secret_job(host).prepared()
    readable = [path for path in files_below(host.state_dir) if open_to_others(path, host.state_dir)]
    assert readable == []
    assert host.state_dir.stat().st_mode & 0o077 == 0
    assert (host.state_dir / "audit.jsonl").stat().st_mode & 0o777 == 0o600
    assert all((host.state_dir / "jobs" / name).stat().st_mode & 0o077 == 0 for name in host.jobs())
    assert calls.tmpdir.exists()


def test_a_state_folder_that_all_may_enter_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "host" / "state").mkdir(parents=True)
    (tmp_path / "host" / "state").chmod(0o755)
    with host_in(tmp_path / "host") as host:
        calls = secret_job(host).prepared()
        assert calls.run(running_script(calls)).code == 0
        readable = [path for path in files_below(host.state_dir) if open_to_others(path, host.state_dir)]
        assert [path for path in readable if secrets_in(path.read_bytes(), secrets_of(calls))] == []


def test_services_get_no_secret(host: Host) -> None:
    calls = secret_job(host).prepared()
    assert secrets_in(in_container(calls, "service", "env").encode(), secrets_of(calls)) == []


def left_in(host: Host, calls: Calls) -> dict[str, list[str]]:
    """Files below the state folder that hold one of the job's secrets."""
    held = {str(path): secrets_in(path.read_bytes(), secrets_of(calls)) for path in files_below(host.state_dir)}
    return {path: found for path, found in held.items() if found}


def test_after_a_job_that_was_cut_off(host: Host) -> None:
    """The runner calls neither cleanup_file_variables nor anything else but cleanup after a time-out."""
    calls = secret_job(host).prepared()
    assert calls.run(running_script(calls)).code == 0
    assert left_in(host, calls)
    calls.end()
    host.assert_nothing_left()
    assert left_in(host, calls) == {}


def test_after_the_death_of_the_runner(host: Host) -> None:
    """The next job takes away what is left; neither it nor the one after it sees a thing."""
    lost = secret_job(host).prepared()
    assert lost.run(running_script(lost)).code == 0
    lost.vanish()
    for _ in range(2):
        following = host.job(project=lost.job.project, git_strategy="fetch").prepared()
        seen = following.run("cat $(find /builds /cache -type f) /dev/null").out
        assert secrets_in(seen.encode(), secrets_of(lost)) == []
        following.end()
        host.assert_nothing_left()
    assert left_in(host, lost) == {}


def test_a_job_that_leads_secrets_elsewhere_finds_none(host: Host) -> None:
    """Links in the place of the folders where the next job's file variables will lie."""
    first = host.job(git_strategy="fetch").prepared()
    project = first.job.project
    group = project.partition("/")[0]
    script = f"mkdir -p /cache/trap /builds/trap; ln -s /cache/trap /builds/{group}; ln -s /cache/trap /builds/x.tmp"
    assert first.run(script).code == 0
    first.end()
    host.assert_nothing_left()
    second = host.job(git_strategy="fetch", project=project).prepared()
    assert (
        second.run(f"mkdir -p /builds/{project}.tmp; echo s3cret > /builds/{project}.tmp/FILE", "get_sources").code == 0
    )
    assert second.run("find /cache -type f").out == ""
