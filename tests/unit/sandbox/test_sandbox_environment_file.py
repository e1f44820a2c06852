"""The job's variables as a file that a shell reads: every value comes out as it went in, and runs nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from executor.plan.model import CONTROL
from executor.sandbox.environment_file import NO_ENTRYPOINT, SHELLS_OWN, wrapped_entrypoint, write_environment

if TYPE_CHECKING:
    from pathlib import Path

SHELLS = [[shell] for shell in ("dash", "bash") if shutil.which(shell)] + [["bash", "--posix"]]
SHELLS += [["busybox", "sh"]] if shutil.which("busybox") else []

HOSTILE = {
    "PLAIN": "value",
    "EMPTY": "",
    "QUOTES": "it's \"quoted\" `ticks` '''",
    "ONLY_QUOTE": "'",
    "COMMAND": "$(touch RAN) `touch RAN` ; touch RAN & touch RAN | touch RAN",
    "ESCAPE": "'; touch RAN; '",
    "NEWLINES": "\n one\n\ntwo\r\n\n",
    "DOLLARS": "$HOME ${HOME} $$ $0 \\$",
    "BACKSLASHES": "\\ \\n \\' \\\\",
    "GLOB": "* ? [a-z] {a,b} ~",
    "SPACES": "  lead and trail \t",
    "DASHES": "-n --help",
    "UNICODE": "äöü 🦊 \u200b\u202e",
    "BYTES": b"\xff\xfe\x80".decode("utf-8", "surrogateescape"),
    "ESC": "\x1b[31m\x07\x01",
    "EQUALS": "a=b=c",
    "HASH": "# no comment",
    "BANG": "!! !x",
    "LONG": "x" * 100_000,
    "_": "underscore",
    "lower_1": "x",
}


def environment_after(shell: list[str], path: Path, folder: Path) -> dict[str, str]:
    """What a program sees that `shell` starts after it has read the file."""
    ended = subprocess.run(
        [*shell, "-c", '. "$1"; exec /usr/bin/env -0', "sh", str(path)],
        capture_output=True,
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        check=True,
    )
    assert ended.stderr == b""
    entries = ended.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]
    return dict(entry.split("=", 1) for entry in entries)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_value_comes_out_as_it_went_in(tmp_path: Path, shell: list[str]) -> None:
    write_environment(str(tmp_path / "environment"), HOSTILE)

    seen = environment_after(shell, tmp_path / "environment", tmp_path)

    assert {name: seen[name] for name in HOSTILE if name != "_"} == {
        name: value for name, value in HOSTILE.items() if name != "_"
    }
    assert os.listdir(tmp_path) == ["environment"]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_names_that_are_none_are_left_out(tmp_path: Path, shell: list[str]) -> None:
    names = ["", "1A", "A-B", "A B", "A;touch RAN", "$(touch RAN)", "A=B", "A\nB", "é", "A.B", "GOOD"]
    write_environment(str(tmp_path / "environment"), dict.fromkeys(names, "v"))

    seen = environment_after(shell, tmp_path / "environment", tmp_path)

    assert set(seen) - {"PATH", "PWD", "OLDPWD", "SHLVL", "_"} == {"GOOD"}
    assert os.listdir(tmp_path) == ["environment"]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize("value", ["no number", "1 +", "a[$(touch RAN)]", ""])
def test_names_that_mean_something_to_a_shell_do_not_stop_it(tmp_path: Path, shell: list[str], value: str) -> None:
    """Some cannot be set, some take numbers only: a job must not fail because it calls a variable so."""
    special = [*SHELLS_OWN, "SECONDS", "LINENO", "BASHPID", "GROUPS", "FUNCNAME", "DIRSTACK", "OPTARG"]
    special += ["EPOCHSECONDS", "BASH_SUBSHELL", "BASH_ARGV0", "COMP_WORDBREAKS", "IFS", "ENV", "BASH_ENV", "PS4"]
    special += ["BASH_XTRACEFD", "BASH_COMPAT", "POSIXLY_CORRECT", "PWD", "HISTSIZE", "TMOUT", "FUNCNEST", "MAILCHECK"]
    write_environment(str(tmp_path / "environment"), dict.fromkeys(special, value) | {"LAST": "read"})

    ended = subprocess.run(
        [*shell, "-c", '. "$1"; exec "$2" LAST', "sh", str(tmp_path / "environment"), "/usr/bin/printenv"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (0, "read\n"), ended.stderr
    assert os.listdir(tmp_path) == ["environment"]


def test_the_file_can_be_read_by_any_user_of_the_container(tmp_path: Path) -> None:
    """The folder above keeps those of the host out."""
    old = os.umask(0o077)
    try:
        write_environment(str(tmp_path / "environment"), {"A": "1"})
    finally:
        os.umask(old)
    assert (tmp_path / "environment").stat().st_mode & 0o777 == 0o644


def _wrapped(control: Path, *entrypoint: str) -> list[str]:
    """As in the container, with another place for the file."""
    words = wrapped_entrypoint(str(control), entrypoint, {"SECRET": "it's"})
    return [word.replace(CONTROL, str(control)) for word in words]


def test_the_entrypoint_is_started_behind_the_file(tmp_path: Path) -> None:
    words = _wrapped(tmp_path, "/usr/bin/printenv")
    ended = subprocess.run([*words, "SECRET"], capture_output=True, text=True, check=True)

    assert ended.stdout == "it's\n"
    assert "it's" not in "".join(words)


@pytest.mark.parametrize("shell", ["bash", "dash"])
@pytest.mark.parametrize("entrypoint", ["/no/such/program", "no-such-program", "/etc/passwd"])
def test_an_entrypoint_that_cannot_be_run_is_told(tmp_path: Path, shell: str, entrypoint: str) -> None:
    words = _wrapped(tmp_path, entrypoint, "argument")

    ended = subprocess.run([shell, *words[1:]], capture_output=True, text=True, check=False)

    assert ended.stderr.endswith(f"\n{NO_ENTRYPOINT}{entrypoint}\n")


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_an_entrypoint_that_fails_is_not_one_that_cannot_be_run(tmp_path: Path, shell: str) -> None:
    words = _wrapped(tmp_path, "sh", "-c", "exec /no/such/program")

    ended = subprocess.run([shell, *words[1:]], capture_output=True, text=True, check=False)

    assert ended.returncode == 127
    assert NO_ENTRYPOINT not in ended.stderr
