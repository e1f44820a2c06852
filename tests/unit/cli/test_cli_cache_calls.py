"""`executor cache` called wrongly, or where there is nothing to look at: one line each, exit code 2."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from executor import cli

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.caches import CacheHost

COMMANDS = [("ls",), ("show", "x"), ("rm", "x", "--yes"), ("verify",), ("stats",), ("gc",)]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_store_yet(host: CacheHost, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    told = host.refusal(capsys, *command)

    assert f"there are no caches in {host.state}/caches yet. The first job that saves a cache makes" in told
    assert not host.state.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_mode_archive(host: CacheHost, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    host.says('[cache]\nmode = "archive"')
    assert "caches are left to the runner's own archives" in (told := host.refusal(capsys, *command))
    assert "What was kept before" not in told


def test_mode_archive_with_layers_of_before(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.save()
    host.says('[cache]\nmode = "archive"')

    assert f"What was kept before lies in {host.state}/caches" in host.refusal(capsys, "ls")


def test_a_runner_without_caches(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.save(runner="one")

    assert "runner two has no caches in " in host.refusal(capsys, "ls", "--runner", "two")
    assert 'no [[runners]] with name = "three"' in host.refusal(capsys, "ls", "--runner", "three")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize(("closed", "named"), [("", "caches/"), ("keys", "caches/"), ("..", "caches ")])
def test_a_store_of_another_user(host: CacheHost, capsys: pytest.CaptureFixture[str], closed: str, named: str) -> None:
    host.save()
    folder = os.path.normpath(f"{host.store().folder}/{closed}")
    _open_way_to(host.folder)
    os.chmod(host.state, 0o755)
    os.chmod(f"{host.state}/caches", 0o755)
    os.chmod(host.store().folder, 0o777)
    os.chmod(folder, 0o700)
    os.seteuid(65534)
    try:
        told = host.refusal(capsys, "ls")
    finally:
        os.seteuid(0)

    assert f"the store of caches in {host.state}/{named}" in told
    assert "is closed to this account. Run as the user that runs gitlab-runner." in told


def _open_way_to(folder: Path) -> None:
    for path in (folder, *folder.parents):
        if path.owner() == "root" and str(path).startswith("/tmp/"):
            path.chmod(path.stat().st_mode | 0o055)


def test_a_store_that_is_no_folder(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    (host.folder / "file").write_text("")
    host.says(f'[cache]\nstore = "{host.folder}/file"')

    assert f"{host.folder}/file is no folder. Correct `store` of [cache]" in host.refusal(capsys, "ls")


def test_other_things_beside_stores_are_none(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.save()
    (host.state / "caches" / "lost+found").mkdir()
    (host.state / "caches" / "note").write_text("")

    assert len(host.answer(capsys, "ls")["caches"]) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("lst",), "cache: there is no command `lst`. Did you mean `ls`? `executor cache --help` lists them."),
        (("l\x1b[2J\n",), "cache: there is no command `l?[2J?`."),
        (("../gc",), "cache: there is no command `../gc`."),
        (("words",), "cache: there is no command `words`."),
        (("show",), "cache show: the following arguments are required: KEY."),
        (("show", "a", "b"), "cache show: unrecognized arguments: b."),
        (("rm",), "cache rm: the following arguments are required: KEY."),
        (("ls", "--jso"), "cache ls: unrecognized arguments: --jso."),
        (("ls", "--protected", "--unprotected"), "not allowed with argument --protected"),
        (("gc", "--quota", "5x"), "cache gc: argument --quota: not a size: 5x."),
        (("gc", "--max-age=soon"), "cache gc: argument --max-age: not a span of time: soon."),
    ],
)
def test_wrong_calls(host: CacheHost, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str) -> None:
    host.save()

    assert message in host.refusal(capsys, *words)


@pytest.mark.parametrize("words", [["cache"], ["cache", "--help"], ["cache", "-h"], ["--config", "x", "cache"]])
def test_help(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.dispatch(words) == 0
    told = capsys.readouterr().out
    assert all(f"\n  {command[0]}" in told for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_fits_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as ended:
        cli.dispatch(["cache", command[0], "--help"])

    assert ended.value.code == 0
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 100


def test_options_before_and_between(host: CacheHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.save("deps", runner="two")
    config = str(host.config)

    for words in (
        ["--config", config, "--runner", "two", "cache", "ls", "--json"],
        ["cache", "--config", config, "--runner", "two", "ls", "--json"],
        ["cache", "ls", "--runner=two", f"--config={config}", "--json"],
    ):
        assert cli.dispatch(words) == 0
        assert '"deps"' in capsys.readouterr().out
