"""How checks are run: side by side, within their time, and whatever becomes of them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from executor.doctor.catalogue import all_checks, chosen
from executor.doctor.examine import examine
from executor.doctor.facts import Facts, fact
from executor.doctor.model import CATEGORIES, Check, Skip, Verdict, passed, warning
from executor.errors import SystemFailure, UsageError
from tests.unit.doctor.host import Host

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from executor.doctor.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A healthy host."""
    return Host(tmp_path).scene()


def a_check(look: Callable[[Scene], Verdict], id: str = "host.test") -> Check:
    """A check that does what the test wants."""
    return Check(id=id, title="All is well", look=look)


def test_checks_run_side_by_side(scene: Scene) -> None:
    together = threading.Barrier(20)

    def meet(_: Scene) -> Verdict:
        together.wait(2)
        return passed()

    findings = examine(scene, [a_check(meet, f"host.test{number}") for number in range(20)])

    assert [finding.verdict.status for finding in findings] == ["ok"] * 20


def test_a_check_that_hangs_is_one_row(scene: Scene) -> None:
    def hang(_: Scene) -> Verdict:
        time.sleep(5)
        return passed()

    began = time.monotonic()
    hanging, healthy = examine(scene, [a_check(hang), a_check(lambda _: passed())], seconds=0.2)

    assert time.monotonic() - began < 2
    assert (hanging.verdict.status, hanging.verdict.found) == ("warning", "It gave no result within 0.2 s.")
    assert hanging.milliseconds >= 190
    assert healthy.verdict.status == "ok"


def test_a_check_that_crashes_is_one_row_and_shows_nothing_secret(scene: Scene) -> None:
    def crash(_: Scene) -> Verdict:
        raise KeyError("glrt-t1_hidden")

    crashed, healthy = examine(scene, [a_check(crash), a_check(lambda _: passed())])

    assert crashed.verdict.status == "crashed"
    assert "KeyError at test_doctor_examining.py:" in crashed.verdict.found
    assert "hidden" not in repr(crashed.verdict)
    assert healthy.verdict.status == "ok"


def test_what_another_check_tells_is_skipped(scene: Scene) -> None:
    def skip(_: Scene) -> Verdict:
        raise Skip("there is no socket")

    def fail(_: Scene) -> Verdict:
        raise SystemFailure("The Docker Engine stopped answering.")

    findings = examine(scene, [a_check(skip), a_check(fail)])

    assert [(finding.verdict.status, finding.verdict.found) for finding in findings] == [
        ("skipped", "there is no socket"),
        ("skipped", "The Docker Engine stopped answering."),
    ]


def test_a_fact_is_found_out_once_and_so_is_its_failure() -> None:
    asked = []

    class Things:
        facts = Facts()

        @fact
        def good(self) -> int:
            asked.append("good")
            time.sleep(0.02)
            return 7

        @fact
        def bad(self) -> int:
            asked.append("bad")
            raise Skip("no")

    things = Things()
    threads = [threading.Thread(target=lambda: things.good) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(2):
        with pytest.raises(Skip):
            things.bad  # noqa: B018

    assert things.good == 7
    assert sorted(asked) == ["bad", "good"]


def test_ids_are_unique_and_say_their_category() -> None:
    checks = all_checks()

    assert len({check.id for check in checks}) == len(checks)
    assert {check.category for check in checks} == set(CATEGORIES)
    assert all(check.title and not check.title.endswith(".") for check in checks)
    assert all(check.look.__doc__ for check in checks)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["docker.socket.permission"], {"docker.socket.permission"}),
        (["docker.socket"], {"docker.socket.present", "docker.socket.permission", "docker.socket.mode"}),
        (
            ["clever", "runner.account"],
            {"runner.account", "clever.login", "clever.api", "clever.variables", "clever.cli"},
        ),
        (["job.run.dns"], {"job.run.dns"}),
    ],
)
def test_checks_by_name(words: list[str], expected: set[str]) -> None:
    assert {check.id for check in chosen(words)} == expected


def test_the_throw_away_job_is_run_only_when_asked_for() -> None:
    assert not [check for check in chosen([]) if check.with_job]
    assert not [check for check in chosen(["job"]) if check.with_job]
    assert len([check for check in chosen(["job"], with_job=True) if check.with_job]) == 7


def test_a_check_that_does_not_exist() -> None:
    with pytest.raises(UsageError) as failure:
        chosen(["docker.socket.permision"])

    assert "Did you mean `docker.socket.permission`?" in failure.value.one_line()


def test_a_verdict_takes_one_step_or_several() -> None:
    assert warning("f", why="w", fix="a").fix == ("a",)
    assert warning("f", why="w", fix=("a", "b")).fix == ("a", "b")
