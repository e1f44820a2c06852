"""`executor ps`: its columns, and its JSON."""

from __future__ import annotations

import pytest

from executor.cli.ps import summary
from executor.cli.ps_table import print_jobs, size
from executor.inspection.containers import JobContainer
from executor.inspection.jobs import HostJob

NOW = 1_000_000.0


def job(**changes: object) -> HostJob:
    values: dict[str, object] = {
        "folder": "/state/jobs/1001-ab",
        "fate": "running",
        "id": 1001,
        "name": "unit",
        "project": "virida/app",
        "ref": "main",
        "sha": "a" * 40,
        "began": NOW - 4000,
        "stage": "build_script",
        "stage_began": NOW - 65,
        "seconds_kept": None,
        "facts": {"secret": "never shown"},
    }
    return HostJob(**(values | changes))  # type: ignore[arg-type]


def container(role: str, cpus: float | None, memory: int | None, *, running: bool = True) -> JobContainer:
    return JobContainer(
        id=role,
        name=role,
        image="i",
        role=role,
        aliases=(),
        running=running,
        cpus=cpus,
        memory=memory,
        memory_limit=None,
    )


BOTH = [container("build", 1.25, 1900 * 1024**2), container("helper", 0.25, 100 * 1024**2)]


def columns(capsys: pytest.CaptureFixture[str], one: HostJob, containers: list[JobContainer]) -> list[str]:
    print_jobs([one], {one.key: containers}, NOW)
    _, line = capsys.readouterr().out.splitlines()
    return line.split("\t")


def test_a_row_adds_up_the_jobs_containers(capsys: pytest.CaptureFixture[str]) -> None:
    assert columns(capsys, job(), BOTH) == [
        *("1001", "virida/app", "unit", "main", "build_script"),
        *("1 min", "1 h", "1.50", "2.0 GiB", "build helper"),
    ]


def test_what_nobody_knows_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    unknown = job(name="", project="", ref="", began=0.0, stage_began=0.0)

    assert columns(capsys, unknown, [])[1:] == [*"---", "build_script", *"-----"]


def test_a_kept_job_tells_for_how_long(capsys: pytest.CaptureFixture[str]) -> None:
    row = columns(capsys, job(fate="kept", seconds_kept=1700.0), [container("build", None, None, running=False)])

    assert row[4] == "kept for 28 min"
    assert row[-3:] == ["-", "-", "build (ended)"]


@pytest.mark.parametrize("name", ["a\tb\nc", "\x1b[2J\x07", "\u202e\u2028x", "\udcff"])
def test_no_name_breaks_a_row(capsys: pytest.CaptureFixture[str], name: str) -> None:
    row = columns(capsys, job(name=name, ref=name, stage=name, project=name), BOTH)

    assert len(row) == 10
    assert all(cell.isprintable() for cell in row)


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (512, "512 B"), (1536, "1.5 KiB"), (512 * 1024**2, "512 MiB"), (3 * 1024**5, "3072 TiB")],
)
def test_sizes(count: int, words: str) -> None:
    assert size(count) == words


def test_json_has_plain_values_and_no_state(capsys: pytest.CaptureFixture[str]) -> None:
    made = summary("/state", [job()], {"1001-ab": BOTH}, left_over=2)

    assert (made["version"], made["left_over"], made["state_dir"]) == (1, 2, "/state")
    (one,) = made["jobs"]
    assert (one["key"], one["began"], one["stage_began"]) == ("1001-ab", "1970-01-12T12:40:00Z", "1970-01-12T13:45:35Z")
    assert [entry["cpus"] for entry in one["containers"]] == [1.25, 0.25]
    assert "never shown" not in str(made)
