"""`executor doctor` as a command: what it says, what it asks, how it ends."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from executor.cli import doctor
from executor.doctor import scenery
from executor.errors import CHECK_FAILED, SUCCESS, UsageError
from tests.unit.doctor.host import Host

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[..., tuple[int, str, str]]

LAUNCHER = str(Path(sys.executable).parent / "executor")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A healthy host."""
    return Host(tmp_path)


@pytest.fixture
def call(host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """A function that runs the command on that host; gives exit code, standard output and standard error."""
    monkeypatch.setattr(scenery, "this_host", lambda config, runner: host.scene())

    def run(*words: str) -> tuple[int, str, str]:
        code = doctor.main(list(words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def spoil(host: Host) -> None:
    """Make an error and something that can be mended."""
    host.config.chmod(0o644)
    host.facts["web"]["https://gitlab.virida.test/api/v4/runners/verify"] = {"status": 403}


def test_a_healthy_host(call: Call) -> None:
    code, out, err = call()

    assert (code, err) == (SUCCESS, "")
    assert out.startswith("virida-executor ")
    assert "as gitlab-runner (uid " in out.splitlines()[0]
    assert out.rstrip().endswith("This host is ready for jobs.")


def test_faults_and_exit_codes(call: Call, host: Host) -> None:
    host.config.chmod(0o644)
    assert call()[0] == SUCCESS
    assert call("--strict")[0] == CHECK_FAILED
    spoil(host)
    code, out, _ = call()
    assert code == CHECK_FAILED
    assert "network.gitlab.token" in out


def test_checks_by_name(call: Call, host: Host) -> None:
    spoil(host)

    assert call("docker", "runner.config.mode")[0] == SUCCESS
    assert call("network.gitlab.token")[0] == CHECK_FAILED


def test_json_stands_alone_on_standard_output(call: Call, host: Host) -> None:
    spoil(host)
    code, out, err = call("--json")
    report = json.loads(out)

    assert (code, err, report["version"], report["status"]) == (CHECK_FAILED, "", 1, "error")
    assert {check["status"] for check in report["checks"] if check["id"] == "network.gitlab.token"} == {"error"}
    assert sum(report["counts"].values()) == len(report["checks"])


def test_the_list(call: Call) -> None:
    code, out, _ = call("--list")
    _, plain, _ = call("--list", "--json", "docker.socket")

    assert code == SUCCESS
    assert "docker.socket.permission " in out
    assert "(with --job)" in out
    assert [check["id"] for check in json.loads(plain)["checks"]] == [
        "docker.socket.present",
        "docker.socket.permission",
        "docker.socket.mode",
    ]


def test_nothing_is_mended_where_nobody_can_be_asked(call: Call, host: Host) -> None:
    spoil(host)
    code, _, err = call("--fix")

    assert code == CHECK_FAILED
    assert f"would mend runner.config.mode: chmod 600 {host.config}" in err
    assert "nothing mended" in err
    assert host.config.stat().st_mode & 0o777 == 0o644


def test_mending(call: Call, host: Host) -> None:
    host.config.chmod(0o644)
    code, _, err = call("--fix", "--yes", "--strict")

    assert code == SUCCESS
    assert "runner.config.mode: done" in err
    assert host.config.stat().st_mode & 0o777 == 0o600


def test_a_missing_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(tmp_path, {"account": {"environment": {"TMPDIR": f"{tmp_path}/gone"}}})
    monkeypatch.setattr(scenery, "this_host", lambda config, runner: host.scene())

    assert doctor.main(["host.tmp", "--fix", "--yes"]) == SUCCESS
    assert (tmp_path / "gone").stat().st_mode & 0o7777 == 0o1777


def test_what_mending_could_not_do_is_told(call: Call, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    host.config.chmod(0o644)
    monkeypatch.setattr(os, "chmod", refuse)
    code, _, err = call("--fix", "--yes", "--strict")

    assert code == CHECK_FAILED
    assert "runner.config.mode: failed: Operation not permitted" in err
    assert "runner.config.mode is still warning" in err


@pytest.mark.parametrize(("answer", "mode"), [("y\n", 0o600), ("n\n", 0o644), ("\n", 0o644)])
def test_a_person_is_asked(answer: str, mode: int, call: Call, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.config.chmod(0o644)
    monkeypatch.setattr(doctor, "_person_is_there", lambda: True)
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    _, out, _ = call("--fix")

    assert "Mend this? [y/N]" in out
    assert host.config.stat().st_mode & 0o777 == mode


def test_nothing_to_mend(call: Call) -> None:
    assert "nothing that --fix could mend" in call("--fix", "--yes")[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--yes"], "--yes is for --fix"),
        (["--fix", "--report"], "exclude each other"),
        (["--json", "--report"], "not allowed with argument"),
        (["--config", ""], "--config names no file"),
        (["nosuch"], "there is no check `nosuch`"),
        (["--nosuch"], "unrecognized arguments"),
    ],
)
def test_wrong_calls(words: list[str], message: str, call: Call) -> None:
    with pytest.raises(UsageError) as failure:
        call(*words)
    assert message in failure.value.one_line()


def test_a_report_keeps_its_shape(call: Call, host: Host) -> None:
    spoil(host)
    code, out, _ = call("--report")

    assert code == CHECK_FAILED
    assert out.startswith("```\nvirida-executor doctor report\n")
    assert out.rstrip().endswith("```")
    assert "gitlab.virida.test" not in out
    assert out.isascii()


def test_as_it_is_installed(tmp_path: Path) -> None:
    """A config.toml that is not there, in an environment that holds next to nothing."""
    ended = subprocess.run(
        [LAUNCHER, "doctor", "--config", f"{tmp_path}/none.toml", "runner.config"],
        capture_output=True,
        text=True,
        env={"PATH": "/nowhere", "HOME": "/nowhere", "LC_ALL": "C"},
        check=False,
    )

    assert ended.returncode == CHECK_FAILED
    assert f"There is no {tmp_path}/none.toml." in ended.stdout.replace("\n              ", " ")
    assert ended.stdout.isascii()
    assert ended.stderr == ""
