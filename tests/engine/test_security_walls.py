"""What a job sees of the host, and what it can make the driver do there: nothing."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from executor.sandbox.removal import remove_tree
from tests.e2e.jobs import Variable, variable
from tests.engine.calls import Host
from tests.engine.security import host_in, in_container, inspected

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSYBOX = "virida-executor/test-busybox"
SERVICE = {"name": BUSYBOX, "command": ["sleep", "600"]}
MARK = "a-mark-of-the-hosts-own"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with host_in(tmp_path / "host") as host:
        yield host


def entries(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# What a job sees.

LOOK = """
find / -xdev \\( -name docker.sock -o -name config.toml -o -name executor.toml -o -name state.json \
  -o -name audit.jsonl -o -name response.json \\) 2>/dev/null
grep -rlF a-mark-of-the-hosts-own / --exclude-dir=proc --exclude-dir=sys --exclude-dir=.virida-executor \
  --exclude-dir=usr 2>/dev/null
grep -F docker.sock /proc/mounts
true
"""


@pytest.mark.parametrize("stage", ["build_script", "get_sources"])
def test_neither_the_docker_socket_nor_state_is_in_a_jobs_container(host: Host, stage: str) -> None:
    calls = host.job().prepared()
    for place in (calls.tmpdir, host.state_dir, *(host.state_dir / "jobs").iterdir(), host.folder):
        (place / "marked").write_text(MARK)
    seen = calls.run(LOOK.replace(MARK, MARK[:6] + "''" + MARK[6:]), stage)
    assert (seen.code, seen.out) == (0, "")


def test_nor_in_a_services(host: Host) -> None:
    calls = host.job(services=[SERVICE]).prepared()
    (host.state_dir / "marked").write_text(MARK)
    assert in_container(calls, "service", LOOK) == ""


def test_mounts_of_the_state_folder_are_the_jobs_own(host: Host) -> None:
    calls = host.job(services=[SERVICE]).prepared()
    (job_folder,) = host.jobs()
    own = {f"{host.state_dir}/jobs/{job_folder}/{role}/ctl": "ro" for role in ("helper", "build")}
    for told in inspected(calls).values():
        for mount in json.loads(told).get("Mounts", []):
            if mount["Source"] in own:
                assert not mount["RW"]
            elif str(host.state_dir) in mount["Source"]:
                assert mount["Destination"] in ("/builds", "/cache")


def test_rights_are_dockers_defaults(host: Host) -> None:
    """As tight as the docker executor's: no capability more, seccomp and AppArmor as the Engine has them."""
    calls = host.job(services=[SERVICE]).prepared()
    for name, told in inspected(calls).items():
        config = json.loads(told).get("HostConfig")
        if config is None:
            continue
        assert not config["Privileged"], name
        assert not any(config[key] for key in ("CapAdd", "SecurityOpt", "Devices", "GroupAdd", "PidMode", "UsernsMode"))
        assert config["IpcMode"] == "private"
        assert not config["PortBindings"]
        assert not config["PublishAllPorts"]
        assert config["NetworkMode"] not in ("host", "default", "bridge")


# What a job forges.

FORGED = (
    "BASH_ENV",
    "BUILD_EXIT_CODE_FILE",
    "CI_BUILDS_DIR",
    "CI_CONCURRENT_ID",
    "CI_CONCURRENT_PROJECT_ID",
    "CI_JOB_ID",
    "CI_PROJECT_DIR",
    "CI_PROJECT_ID",
    "CI_PROJECT_PATH",
    "CI_RUNNER_SHORT_TOKEN",
    "CONFIG_FILE",
    "DOCKER_CONFIG",
    "DOCKER_HOST",
    "ENV",
    "GIT_DIR",
    "HOME",
    "JOB_RESPONSE_FILE",
    "LD_PRELOAD",
    "PATH",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "TMPDIR",
    "XDG_STATE_HOME",
)


def trap(folder: Path) -> Path:
    """A folder with programs, start-up files and Docker settings that leave a trace when they are used."""
    folder.mkdir()
    trace = f"touch {folder.parent}/trapped"
    for name in ("docker", "rm", "sh", "python3", "git", "readlink", "docker-credential-trap", "profile"):
        (folder / name).write_text(f"#!/bin/sh\n{trace}\n")
        (folder / name).chmod(0o755)
    for name in ("sitecustomize.py", "json.py", "start.py"):
        (folder / name).write_text(f"import os\nos.system({trace!r})\n")
    (folder / ".docker").mkdir()
    (folder / ".docker" / "config.json").write_text('{"credsStore": "trap"}')
    return folder


@pytest.mark.parametrize("value", ["{trap}", "../../../../{trap}", "{trap}/start.py", "tcp://127.0.0.1:1", "\n", ""])
def test_forged_variables_change_nothing_on_the_host(host: Host, tmp_path: Path, value: str) -> None:
    folder = trap(tmp_path / "trap")
    before = entries(folder)
    forged = [variable(name, value.format(trap=folder), raw=True) for name in FORGED]
    calls = host.job(git_strategy="fetch", variables=forged)
    calls.environment |= {f"CUSTOM_ENV_{name}": value.format(trap=folder) for name in FORGED}
    calls.prepared()
    (job_folder,) = host.jobs()
    assert job_folder.startswith(f"{calls.job.id}-")
    ended = calls.run("exit 3")
    assert (ended.code, calls.exit_code_file.read_text()) == (1, "3\n")
    assert calls.end().code == 0
    host.assert_nothing_left()
    assert entries(folder) == before
    assert not (tmp_path / "trapped").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"host", "trap"}


# `[runners.docker]` lines, variables of the job, targets that must not come of them
_TARGETS = ["/.virida-executor", "/usr/local/bin/gitlab-runner", "/", "../..", "a:b", "x\ny"]


@pytest.mark.parametrize("target", _TARGETS)
def test_a_volume_cannot_be_led_over_what_is_the_drivers(tmp_path: Path, target: str) -> None:
    with host_in(tmp_path / "host", docker='volumes = ["/srv:/$TARGET:ro"]') as host:
        calls = host.job(variables=[variable("TARGET", target, raw=True)])
        calls.call("config")
        ended = calls.call("prepare")
        assert ended.code == 1, ended.text
        assert "cannot be mounted" in ended.text


# Names that a job chooses.

_NAMES = {
    "an option": "--privileged",
    "a climb": "../../etc/passwd",
    "a command": "$(touch /tmp/x);`id`",
    "two lines": "debian:12\nFROM evil",
    "a NUL": "debian\0:12",
    "capitals": "DEBIAN:12",
    "a space": "debian :12",
    "100 kilobytes": "x" * 100_000,
    "100 kilobytes of levels": "a/" * 50_000 + "a",
    "another place of the Engine's API": "x/../../containers/json?all=1&x=",
    "not ASCII": "dëbian",
    "escapes": "\x1b[2Jdebian",
}


@pytest.mark.parametrize("name", _NAMES.values(), ids=_NAMES.keys())
@pytest.mark.parametrize("kind", ["image", "service"])
def test_a_hostile_image_name_is_the_jobs_own_fault(host: Host, kind: str, name: str) -> None:
    calls = host.job(name) if kind == "image" else host.job(services=[name])
    assert calls.call("config").code == 0
    ended = calls.call("prepare")
    assert ended.code == 1, ended.text
    assert len(ended.text) < 250_000


_ALIASES = ["--privileged", "x;touch /tmp/x", "$(id)", "a/../../b", "db:1.2.3.4", "a\nb", "x" * 100_000, "localhost\0"]


@pytest.mark.parametrize("alias", _ALIASES, ids=range(len(_ALIASES)))
def test_a_hostile_alias_is_left_out(host: Host, alias: str) -> None:
    calls = host.job(services=[{"name": BUSYBOX, "alias": alias}]).prepared()
    for told in inspected(calls).values():
        for network in json.loads(told).get("NetworkSettings", {}).get("Networks", {}).values():
            assert all(re.fullmatch(r"[\w.-]+", name) for name in network["Aliases"] or [])


def hostile_job(project: str) -> dict[str, Any]:
    text = "../../../../tmp/climbed\n$(touch /tmp/climbed)"
    return {
        "project": project,
        "ref": text,
        "variables": [variable("LARGE", "x" * 100_000), variable("LINES", text, raw=True)],
        "cache": [{"key": text, "paths": ["../../.."]}],
    }


@pytest.mark.parametrize("project", ["../../../../tmp/climbed", "/etc", "a/\n/b", "a/" * 50_000 + "b", ".git", "x.tmp"])
def test_hostile_paths_and_keys_lead_nowhere(host: Host, project: str) -> None:
    calls = host.job(git_strategy="fetch", **hostile_job(project))
    calls.environment |= {
        "CUSTOM_ENV_CI_PROJECT_DIR": "/builds/p",
        "CUSTOM_ENV_RUNNER_TEMP_PROJECT_DIR": "/builds/p.tmp",
    }
    calls.prepared()
    assert calls.run("echo yes").out == "yes\n"
    assert calls.end().code == 0
    host.assert_nothing_left()
    assert not Path("/tmp/climbed").exists()
    (line,) = (host.state_dir / "audit.jsonl").read_text().splitlines()
    assert json.loads(line)["project"] == project


# What a job makes of the folders that it shares with the host.


@pytest.mark.parametrize("strategy", ["fetch", "clone"])
def test_links_to_the_host_are_never_followed(host: Host, tmp_path: Path, strategy: str) -> None:
    victim = tmp_path / "victim"
    (victim / "sub.tmp").mkdir(parents=True)
    (victim / "sub.tmp" / "file").write_text("precious")
    calls = host.job(git_strategy=strategy).prepared()
    group, _, name = calls.job.project.partition("/")
    script = f"""
cd /builds
ln -s {victim} link; ln -s {victim} link.tmp; ln -s {victim} {group}
mkdir deep; ln -s {victim} deep/{name}.tmp; ln -s ../../../../../.. deep/up; ln -s {victim}/sub.tmp deep/sub.tmp
ln -s {victim} /cache/link
mkfifo fifo fifo.tmp; mknod device c 1 5; mkdir closed.tmp; touch closed.tmp/x; chmod 0 closed.tmp
"""
    assert calls.run(script).code == 0
    calls.end()
    host.assert_nothing_left()
    following = host.job(git_strategy=strategy, project=calls.job.project).prepared()
    assert following.run("echo yes").out == "yes\n"
    following.end()
    host.assert_nothing_left()
    assert entries(victim) == {"sub.tmp", "sub.tmp/file"}
    assert (victim / "sub.tmp" / "file").read_text() == "precious"


@pytest.mark.parametrize("strategy", ["fetch", "clone"])
def test_folders_without_end_do_not_stop_the_removal(host: Host, strategy: str) -> None:
    calls = host.job(git_strategy=strategy).prepared()
    dig = "for (1..2500) { mkdir q(d); chdir q(d) or die }"
    assert calls.run(f'cd /builds; perl -e "{dig}"').code == 0
    calls.end()
    host.assert_nothing_left()
    # What empties the folders of old test runs gives up on such.
    remove_tree(str(host.state_dir / "builds"))


def test_another_account_owns_all_that_a_job_wrote(host: Host) -> None:
    """What only root may remove does not keep the folder of a passing job."""
    calls = host.job(git_strategy="clone").prepared()
    assert calls.run("mkdir -p /builds/a/b; chown -R 4242 /builds/a; chmod 0 /builds/a/b").code == 0
    calls.end()
    host.assert_nothing_left()


def variables_of(pairs: dict[str, str]) -> list[Variable]:
    return [variable(key, value) for key, value in pairs.items()]


# The operator's word.

POLICY = """
[[policy]]
name = "ours"
projects = ["virida/**"]
privileged = false
deny_images = ["debian:11"]
[[policy]]
name = "nobody else"
deny = true
"""


def test_a_policy_holds_whatever_a_job_claims(tmp_path: Path) -> None:
    with host_in(tmp_path / "host", docker="privileged = true", executor=POLICY) as host:
        stranger = host.job(project="other/app", variables=variables_of({"CI_PROJECT_PATH": "virida/app"}))
        stranger.call("config")
        denied = stranger.call("prepare")
        assert denied.code == 1
        assert "Jobs of other/app are not allowed on this runner." in denied.text
        assert 'policy "nobody else"' in denied.text
        ours = host.job(services=[SERVICE]).prepared()
        configs = [json.loads(told).get("HostConfig") for told in inspected(ours).values()]
        assert [config["Privileged"] for config in configs if config] == [False] * 3
        old = host.job("docker.io/library/debian:11")
        old.call("config")
        assert "is denied for jobs of virida/" in old.call("prepare").text
        lines = [json.loads(line) for line in (host.state_dir / "audit.jsonl").read_text().splitlines()]
    assert [(line["job"], line["decision"], line["rule"]) for line in lines] == [
        (stranger.job.id, "denied", '"nobody else"'),
        (ours.job.id, "allowed", '"ours"'),
        (old.job.id, "denied", '"ours"'),
    ]


def test_an_audit_log_that_cannot_be_written_costs_a_warning(tmp_path: Path) -> None:
    with host_in(tmp_path / "host", executor='[audit]\nfile = "/dev/full"\n') as host:
        calls = host.job()
        calls.call("config")
        ended = calls.call("prepare")
        assert ended.code == 0
        assert ended.text.count("The audit log /dev/full cannot be written: No space left on device.") == 1
        assert os.path.exists("/dev/full")
