"""`executor usage` on jobs that were really run and measured: what it shows is what the history holds."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.jobs import Job
from tests.engine.test_usage import MIB, ended, limited

if TYPE_CHECKING:
    from pathlib import Path

    from executor.usage.model import Usage
    from tests.engine.conftest import StartJob
    from tests.engine.jobs import Driver

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def measured(driver: StartJob) -> tuple[Driver, Usage]:
    """A job that has held 48 MiB, and then was killed for more than its 64: ended, with what is known of it."""
    made = driver(Job(script=[], ref=HOSTILE), docker_options=limited(memory="64m"))
    made.prepared()
    assert made.run("head -c 48m /dev/zero | tail | sleep 1.5", stage="get_sources").code == 0
    assert made.run("head -c 200m /dev/zero | tail >/dev/null").code == 1
    used, _ = ended(made, status="failed")
    return made, used


def shown(made: Driver, *words: str) -> str:
    called = made.call("usage", *words)
    assert called.code == 0, called.output
    return called.output


def test_the_last_jobs(measured: tuple[Driver, Usage]) -> None:
    made, _ = measured
    (line,) = [line for line in shown(made).splitlines() if str(made.job.id) in line]

    assert "unit" in line
    assert "failed" in line
    assert re.search(r"\d+ / 64 MiB|64 MiB", line), line


def test_the_last_jobs_for_programs(measured: tuple[Driver, Usage]) -> None:
    made, used = measured
    (run,) = json.loads(shown(made, "--json"))["runs"]

    assert (run["id"], run["result"], run["verdicts"]) == (made.job.id, "script_failure", ["oom"])
    assert (run["memory_limit"], run["oom_kills"]) == (64 * MIB, 1)
    assert run["seconds"] == used.seconds


def test_one_job_for_a_person(measured: tuple[Driver, Usage]) -> None:
    made, _ = measured
    by_number = shown(made, str(made.job.id))

    assert re.search(rf"^unit . job {made.job.id} of {made.job.project} ", by_number), by_number
    assert re.search(r"^build +\S+ s .* MiB +.* 1$", by_number, re.MULTILINE), by_number
    assert re.search(r"OUT OF MEMORY: the kernel killed (`tail`|a process) in the build container", by_number)
    assert 'JOB_MEMORY: "256Mi"' in by_number
    assert shown(made, "unit") == by_number


def test_one_job_for_programs(measured: tuple[Driver, Usage]) -> None:
    made, used = measured
    whole: dict[str, Any] = json.loads(shown(made, str(made.job.id), "--json"))

    containers = {one["role"]: one for one in whole["usage"]["containers"]}
    stages = {one["stage"]: one for one in containers["build"]["stages"]}
    assert stages["build_script"]["oom_kills"] == 1
    assert [(one["code"], one["severity"]) for one in whole["verdicts"]] == [("oom", "error")]
    assert containers["build"]["limits"]["memory"] == 64 * MIB
    assert whole["usage"]["seconds"] == used.seconds
    assert len(whole["usage"]["series"]) == len(used.series) > 0


def test_one_job_as_a_page_that_loads_nothing(measured: tuple[Driver, Usage], tmp_path: Path) -> None:
    made, _ = measured
    file = tmp_path / "page.html"
    assert shown(made, str(made.job.id), "--html", str(file)) == f"written: {file}\n"
    page = file.read_text()

    assert str(made.job.id) in page
    assert "OUT OF MEMORY" in page
    assert "<svg" in page
    assert HOSTILE not in page
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|@import|url\(\s*["']?http""", page)
    assert sorted(one.name for one in tmp_path.glob("page*")) == ["page.html"]


def test_what_cannot_be_shown_is_told_in_one_line(measured: tuple[Driver, Usage], tmp_path: Path) -> None:
    made, _ = measured
    for words, told in [
        (["unot"], "Did you mean 'unit'?"),
        ([str(made.job.id), "--html", str(tmp_path)], "cannot be written"),
        (["--html", "page.html"], "--html is for one job"),
    ]:
        called = made.call("usage", *words)
        assert called.code == 2
        assert told in called.output
        assert len(called.output.splitlines()) == 1, called.output
    assert not list(tmp_path.parent.glob(f"{tmp_path.name}.*"))
