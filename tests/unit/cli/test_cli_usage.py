"""`executor usage`: its tables, its forms for programs, and what it says where there is nothing to show."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import re
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from executor.cli import usage as command
from executor.errors import OperatorError, UsageError
from executor.usage.history.failures import HistoryError
from executor.usage.history.record import record
from executor.usage.model import Limits
from tests.unit.report.builders import GIB, MIB, OOM, a_job, a_usage, bare_usage, build, oom_usage, used

DAY = 86400


class Screen(StringIO):
    """Standard output that is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Host:
    """A host with a history; `run` calls the command and gives what it printed, `show` what is on a terminal."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.history = str(folder / "state" / "history.db")
        self._capsys = capsys
        (folder / "state").mkdir()
        (folder / "config.toml").write_text('[[runners]]\nname = "virida-1"\nexecutor = "custom"\n')
        self.settings("")

    def settings(self, more: str) -> None:
        (self.folder / "executor.toml").write_text(f'[storage]\nstate_dir = "{self.folder}/state"\n{more}')

    def run(self, *words: str) -> str:
        assert command.main(["--config", str(self.folder / "config.toml"), *words]) == 0
        return self._capsys.readouterr().out

    def show(self, *words: str) -> str:
        with redirect_stdout(Screen()) as screen:
            self.run(*words)
        return re.sub(r"\x1b\[[0-3]?m", "", screen.getvalue())

    def json(self, *words: str) -> dict[str, Any]:
        values: dict[str, Any] = json.loads(self.run(*words, "--json"))
        return values


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Host:
    return Host(tmp_path, capsys)


@pytest.fixture
def filled(host: Host) -> Host:
    """Three jobs: a good one, one killed for its memory, one of another project of which little is known."""
    now = time.time()
    record(host.history, a_usage(job=a_job(id=1), began=now - 3 * DAY), ())
    killed = oom_usage()
    record(host.history, a_usage(job=a_job(id=2), began=now - DAY, containers=killed.containers, result="x"), (OOM,))
    other = a_job(id=3, project="virida/api", name="lint", key="lint")
    record(host.history, a_usage(job=other, began=now - 400, containers=bare_usage().containers, series=()), ())
    return host


def rows(printed: str) -> list[dict[str, str]]:
    lines = [line.split("\t") for line in printed.splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def test_the_last_jobs_newest_first(filled: Host) -> None:
    table = rows(filled.run())

    assert [row["Job"] for row in table] == ["3", "2", "1"]
    assert table[1] | {"Ago": ""} == {
        "Job": "2",
        "Project": "virida/frontend",
        "Name": "build:frontend 3/10",
        "Ref": "main",
        "Ago": "",
        "Result": "x",
        "Time": "6 m 20 s",
        "Cores": "1.4",
        "Memory peak": "2.0 / 2.0 GiB",
        "Notes": "oom",
    }
    assert (table[0]["Cores"], table[0]["Memory peak"]) == ("-", "-")


@pytest.mark.parametrize(
    ("words", "jobs"),
    [
        (["--project", "virida/api"], ["3"]),
        (["--job", "build:frontend"], ["2", "1"]),
        (["--since", "2d"], ["3", "2"]),
        (["--since", "2000-01-01"], ["3", "2", "1"]),
        (["--limit", "1"], ["3"]),
        (["--project", "nobody"], []),
    ],
)
def test_only_those_that_are_asked_for(filled: Host, words: list[str], jobs: list[str]) -> None:
    assert [row["Job"] for row in rows(filled.run(*words))] == jobs
    assert [str(run["id"]) for run in filled.json(*words)["runs"]] == jobs


def test_one_job_by_its_number_and_by_its_name(filled: Host) -> None:
    by_number, by_name = filled.run("2"), filled.run("build:frontend")

    assert by_number == by_name
    assert by_number.splitlines()[0].startswith("build:frontend 3/10")
    assert f"ERROR: {OOM.happened}" in by_number.replace("\n  ", " ")


def test_a_job_is_compared_with_what_came_before_it_only(host: Host) -> None:
    for number in range(1, 15):
        seconds = 900.0 if number > 9 else 380.0
        record(host.history, a_usage(job=a_job(id=number), seconds=seconds, began=time.time()), ())

    assert host.json("10")["comparison"]["changes"] == []
    assert host.json("11")["comparison"]["changes"][0] == {
        "quantity": "time",
        "value": 900.0,
        "median": 380.0,
        "judgement": "regression",
    }


def test_a_job_for_programs(filled: Host) -> None:
    values = filled.json("2")

    assert values["version"] == 1
    assert values["usage"]["job"]["key"] == "build:frontend"
    assert values["usage"]["containers"][0]["whole"]["oom_kills"] == 1
    assert values["verdicts"][0]["code"] == "oom"
    assert filled.json("3")["usage"]["containers"][0]["whole"]["cpu_seconds"] is None


def test_a_table_for_other_programs(filled: Host) -> None:
    table = list(csv.DictReader(StringIO(filled.run("--csv"))))

    assert [row["id"] for row in table] == ["3", "2", "1"]
    assert (table[1]["oom_kills"], table[1]["verdicts"], table[0]["cpu_seconds"]) == ("1", "oom", "")


def test_a_name_is_no_formula_for_them(host: Host) -> None:
    record(host.history, a_usage(job=a_job(name="=cmd|' /C calc'!A0", key="@SUM(1)")), ())

    (row,) = csv.DictReader(StringIO(host.run("--csv")))

    assert (row["name"], row["key"]) == ("'=cmd|' /C calc'!A0", "'@SUM(1)")


def test_a_page_in_a_file(filled: Host) -> None:
    path = filled.folder / "report.html"

    assert filled.run("2", "--html", str(path)) == f"written: {path}\n"
    assert "<title>build:frontend 3/10 · 2</title>" in path.read_text()
    with pytest.raises(OperatorError, match=r"cannot be written: No such file or directory"):
        filled.run("2", "--html", str(filled.folder / "no" / "report.html"))


def test_a_page_without_a_name_lies_where_one_is(filled: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(filled.folder)

    assert filled.run("2", "--html") == "written: usage-2.html\n"


def test_a_page_that_cannot_be_written_leaves_nothing(filled: Host) -> None:
    folder = filled.folder / "pages"
    folder.mkdir()
    before = sorted(filled.folder.iterdir())

    with pytest.raises(OperatorError, match="cannot be written: Is a directory"):
        filled.run("2", "--html", str(folder))

    assert sorted(filled.folder.iterdir()) == before


def test_a_page_goes_through_a_pipe_which_stays_one(filled: Host) -> None:
    path = filled.folder / "pipe"
    os.mkfifo(path)
    # Read and write: neither end waits for the other, as long as the page fits.
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, MIB)

    filled.run("2", "--html", str(path))

    assert os.read(descriptor, MIB).startswith(b"<!doctype html>")
    assert path.is_fifo()
    os.close(descriptor)


def test_limits_that_would_suit_the_jobs(filled: Host) -> None:
    killed, unknown = rows(filled.run("suggest"))

    assert (killed["Job"], killed["Runs"], killed["Memory"], killed["Why"]) == (
        "build:frontend",
        "2",
        "2.0 GiB",
        "killed for its memory",
    )
    assert unknown["Memory"] == "-"
    suggested = filled.json("suggest")["jobs"][0]
    assert (suggested["change"], suggested["suggestions"][0]["value"]) == (True, 3 * GIB)


def test_suggestions_keep_to_the_operators_bound_and_prices(filled: Host) -> None:
    filled.settings('[limits]\nmax_memory = "2560m"\n[report]\ncpu_price = 0.5\ncurrency = "EUR"\n')

    values = filled.json("suggest")

    assert values["jobs"][0]["suggestions"][0]["value"] == 2560 * MIB
    assert values["totals"]["cost"] == pytest.approx(0.5 * values["totals"]["cpu_reserved"])
    assert values["totals"]["currency"] == "EUR"


@pytest.fixture(autouse=True)
def wide_and_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.mark.parametrize("words", [[], ["2"], ["3"], ["suggest"], ["--project", "nobody"]])
@pytest.mark.parametrize("unicode", [True, False])
def test_on_a_terminal_nothing_is_wider_than_100_columns(
    filled: Host, words: list[str], unicode: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8" if unicode else "C")
    long = a_job(id=2, name="n" * 200, key="n" * 200, project="p/" * 80, ref="r" * 250)
    wasteful = build(limits=Limits(memory=64 * GIB, cpus=16.0), whole=used(network_received=GIB * 999))
    record(filled.history, a_usage(job=long, containers=(wasteful,), began=time.time()), (OOM,) * 3)

    lines = filled.show(*words).splitlines()

    assert lines
    assert [line for line in lines if len(line.rstrip()) > 100] == []
    if words and words[0].isdigit() and not unicode:
        assert all(line.isascii() for line in lines)


def test_on_a_terminal_a_job_has_its_curves(filled: Host) -> None:
    printed = filled.show("1")

    assert "memory  up to 1.8 GiB, limit 2.0 GiB" in printed
    assert "└──────" in printed
    assert "\x1b[3" not in printed


def test_on_a_terminal_suggestions_are_ready_to_paste(filled: Host) -> None:
    printed = filled.show("suggest")

    assert '  build:frontend: variables: {JOB_MEMORY: "3Gi"}   # virida/frontend' in printed
    assert "3 runs, 0.3 h: 0.3 CPU hours used, 0.4 reserved; memory: 0.4 of 0.4 GiB hours used." in printed


def test_a_name_moves_nothing_on_a_terminal(host: Host) -> None:
    record(host.history, a_usage(job=a_job(id=7, name="\x1b[2J\rx", key="k", ref="\x9b31m")), ())

    assert all(character not in host.show() + host.show("7") for character in ("\x1b[2J", "\r", "\x9b"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope"], "knows no job 'nope'"),
        (["77"], "knows no job '77'"),
        (["build:frontent"], "Did you mean 'build:frontend'?"),
        (["--since", "soon"], "neither a span"),
        (["--limit", "0"], "'0' is no number of jobs"),
        (["--html"], "--html is for one job"),
        (["1", "--csv"], "--csv is for lists"),
        (["suggest", "--csv"], "suggest has no such form"),
        (["--json", "--csv"], "not allowed with argument"),
        (["1", "2"], "unrecognized arguments"),
    ],
)
def test_a_wrong_call_is_told_with_what_is_right(filled: Host, words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        filled.run(*words)

    assert message in raised.value.one_line()


@pytest.mark.parametrize("words", [[], ["1"], ["suggest"]])
def test_without_a_history_it_says_so_and_makes_none(host: Host, words: list[str]) -> None:
    with pytest.raises(HistoryError, match="no history of jobs on this host yet"):
        host.run(*words)
    assert not list((host.folder / "state").iterdir())


def test_a_history_of_a_newer_version_is_told(filled: Host) -> None:
    import sqlite3

    connection = sqlite3.connect(filled.history)
    connection.execute("PRAGMA user_version = 7")
    connection.close()

    with pytest.raises(HistoryError, match="has version 7"):
        filled.run()
