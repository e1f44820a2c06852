"""Verdicts: each names what happened, shows why, and says what to do; good jobs hear nothing."""

from __future__ import annotations

from typing import Any

import pytest

from executor.usage.model import Process, StageTime, Usage, Verdict
from executor.usage.verdicts import DISK_FULL, JAVA_HEAP, NODE_HEAP, Clues, judge
from tests.unit.usage.builders import GIB, MIB, container, usage

NODE = Process(name="node", memory=1_700 * MIB)
TSC = Process(name="tsc", memory=210 * MIB)


def killed(**changes: Any) -> Usage:
    """A job whose script was killed for its memory."""
    build = container(
        memory=2 * GIB, memory_kernel_peak=2 * GIB, oom_kills=1, top=(NODE, TSC), killed_in="build_script"
    )
    return usage(build, **{"result": "script_failure", "exit_code": 137, **changes})


def only(found: tuple[Verdict, ...]) -> Verdict:
    """The one verdict there is."""
    assert len(found) == 1, found
    return found[0]


def test_a_job_that_went_well_hears_nothing() -> None:
    build = container(memory=2 * GIB, memory_anon_peak=GIB, memory_working_set_peak=2 * GIB, oom_kills=0, periods=50)

    assert judge(usage(build, container("helper")), Clues()) == ()


def test_a_kill_names_process_limit_peak_and_what_to_do() -> None:
    clues = Clues(killed={"build": (NODE,)}, asked=True, wanted_memory=3 * GIB, runs=20, largest=2.4 * GIB)
    verdict = only(judge(killed(), clues))

    assert (verdict.code, verdict.severity) == ("oom", "error")
    assert verdict.happened == (
        "OUT OF MEMORY: the kernel killed `node` in the build container "
        "(limit 2.0 GiB, peak 2.0 GiB, asked by JOB_MEMORY)."
    )
    assert verdict.evidence == "Biggest then: node 1.7 GiB, tsc 210 MiB."
    assert verdict.advice == "Set JOB_MEMORY to 3Gi (20 runs, largest 2.4 GiB), or lower `-j`."


def test_a_kill_whose_process_nobody_knows_is_named_all_the_same() -> None:
    assert "killed a process in the build container" in only(judge(killed(), Clues())).happened


def test_a_kill_that_the_job_got_over_is_a_warning() -> None:
    build = container(memory=GIB, oom_kills=1, killed_in="build_script")
    verdict = only(judge(usage(build), Clues()))

    assert verdict.severity == "warning"
    assert "the job went on" in verdict.happened


def test_a_kill_in_a_stage_that_worked_did_not_fail_the_job() -> None:
    build = container(memory=GIB, oom_kills=1, killed_in="build_script")
    failed_later = usage(build, result="script_failure", failed_stage="step_release")

    assert only(judge(failed_later, Clues())).severity == "warning"


@pytest.mark.parametrize(
    ("limit", "clues", "advice"),
    [
        (2 * GIB, Clues(), "Set JOB_MEMORY to 3Gi"),
        (GIB, Clues(), "Set JOB_MEMORY to 1536Mi"),
        (2 * GIB, Clues(most_memory=2560 * MIB), "Set JOB_MEMORY to 2560Mi"),
        (2 * GIB, Clues(most_memory=2 * GIB), "2.0 GiB is the most that the operator lets a job have"),
        (None, Clues(), "have the operator set a `memory`"),
    ],
    ids=["half as much again", "in steps of 128 MiB", "up to the operator's bound", "at the bound", "no limit"],
)
def test_more_memory_is_advised_only_where_it_can_be_had(limit: int | None, clues: Clues, advice: str) -> None:
    build = container(memory=limit, oom_kills=1, killed_in="build_script")

    assert advice in only(judge(usage(build, result="script_failure"), clues)).advice


def test_a_service_that_was_killed_is_told_as_what_may_be_behind_the_failure() -> None:
    service = container("service", name="postgres", memory=GIB, oom_kills=1)
    verdict = only(judge(usage(container(), service, result="script_failure"), Clues()))

    assert (verdict.code, verdict.severity) == ("service-oom", "error")
    assert "the service postgres (limit 1.0 GiB)" in verdict.happened
    assert "could not connect" in verdict.evidence
    assert only(judge(usage(container(), service), Clues())).severity == "warning"


def test_sigkill_without_a_kill_of_the_container_is_the_hosts_or_somebodys() -> None:
    job = usage(container(oom_kills=0), result="script_failure", exit_code=137)

    assert only(judge(job, Clues(host_oom_kills=1))).code == "host-oom"
    assert only(judge(job, Clues(host_oom_kills=0))).code == "killed"
    assert only(judge(job, Clues(host_oom_kills=None))).code == "killed"
    assert judge(usage(container(), result="canceled", exit_code=137), Clues())[0].code == "canceled"


@pytest.mark.parametrize(
    ("hint", "peak", "advice"),
    [
        (NODE_HEAP, GIB, "Raise NODE_OPTIONS: --max-old-space-size=MEGABYTES."),
        (JAVA_HEAP, GIB, "Raise -Xmx (as in JAVA_TOOL_OPTIONS)."),
        (NODE_HEAP, 3900 * MIB, "and JOB_MEMORY with it."),
    ],
)
def test_a_runtime_that_gave_up_at_its_own_limit(hint: str, peak: int, advice: str) -> None:
    job = usage(container(memory=4 * GIB, memory_anon_peak=peak), result="script_failure", exit_code=134)
    verdict = judge(job, Clues(hints=frozenset({hint})))[0]

    assert verdict.code == "heap-limit"
    assert advice in verdict.advice
    assert ("not at fault" in verdict.evidence) is (peak < 3 * GIB)


def test_a_kill_explains_more_than_what_the_runtime_said() -> None:
    assert [one.code for one in judge(killed(), Clues(hints=frozenset({NODE_HEAP})))] == ["oom"]


def test_a_full_disk_is_named_only_where_the_script_failed() -> None:
    clues = Clues(hints=frozenset({DISK_FULL}))

    assert only(judge(usage(container(), result="script_failure"), clues)).code == "disk-full"
    assert judge(usage(container()), clues) == ()


def test_a_job_out_of_time_hears_which_stage_took_it() -> None:
    job = usage(result="timeout", seconds=60.0)
    verdict = only(judge(job, Clues(time_limit=60)))

    assert verdict.happened == "TIME LIMIT: the job's 1 m 00 s were over in build_script, which had run for 50 s."
    assert verdict.evidence == "Beside it: get_sources 8.0 s."


def test_the_scripts_own_limit_is_told_from_the_jobs() -> None:
    stages = (StageTime(name="build_script", began=0.0, seconds=30.0, exit_code=143),)
    job = usage(result="timeout", stages=stages)

    assert "30 s of RUNNER_SCRIPT_TIMEOUT" in only(judge(job, Clues(time_limit=3600, script_limit=30))).happened


def test_a_canceled_job_hears_where_it_was() -> None:
    verdict = only(judge(usage(result="canceled"), Clues(time_limit=3600)))

    assert verdict.severity == "info"
    assert verdict.happened == "CANCELED in build_script, which had run for 50 s."


def test_close_to_the_limit_is_by_what_processes_held() -> None:
    """Page cache fills whatever there is, and is given back when it is needed."""
    cached = container(memory=GIB, memory_anon_peak=300 * MIB, memory_working_set_peak=GIB)
    held = container(memory=GIB, memory_anon_peak=950 * MIB, memory_working_set_peak=GIB)
    squeezed = container(
        memory=GIB, memory_anon_peak=300 * MIB, memory_working_set_peak=GIB, pressure_memory_seconds=12.0
    )

    assert judge(usage(cached), Clues()) == ()
    assert only(judge(usage(held), Clues())).code == "near-limit"
    assert only(judge(usage(squeezed), Clues())).code == "near-limit"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, True),
        ({"pressure_cpu_seconds": None}, True),
        ({"throttled_periods": 100}, False),
        ({"throttled_seconds": 1.0}, False),
        ({"pressure_cpu_seconds": 0.5}, False),
        ({"periods": None}, False),
    ],
)
def test_slowed_down_is_who_had_something_to_do_and_lost_much_time(changes: dict[str, Any], told: bool) -> None:
    used = {"periods": 500, "throttled_periods": 300, "throttled_seconds": 20.0, "pressure_cpu_seconds": 18.0}
    found = judge(usage(container(cpus=1.0, **used | changes)), Clues())

    assert [one.code for one in found] == (["throttled"] if told else [])


def test_the_gravest_comes_first() -> None:
    build = container(cpus=1.0, periods=9, throttled_periods=9, throttled_seconds=9.0, pressure_cpu_seconds=9.0)
    service = container("service", name="db", oom_kills=1)
    job = usage(build, service, result="script_failure")

    assert [one.severity for one in judge(job, Clues(hints=frozenset({DISK_FULL})))] == ["error", "error", "info"]
