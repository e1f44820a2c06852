"""The section of the job log: what it says, and that nothing of the job's breaks it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from executor.report.section import render_section, section_title
from executor.usage.comparison import KEEP, NOISY, Change, Comparison
from executor.usage.model import Limits, StageTime
from tests.unit.report.builders import (
    GIB,
    MIB,
    OOM,
    a_comparison,
    a_job,
    a_usage,
    bare_usage,
    build,
    helper,
    oom_usage,
    service,
    used,
)

GOOD_RUN = """\
Container  CPU       of limit    throttled  Memory peak        anon     Net in/out    Disk     OOM
build      8 m 31 s  69 %        12 %       1.9 / 2.0 GiB      1.7 GiB  -             2.2 GiB  0
helper     9.0 s     0.02 cores  -          120 MiB            40 MiB   310 / 12 MiB  0 B      0
postgres   31 s      8 %         0 %        410 MiB / 1.0 GiB  180 MiB  -             2.2 GiB  0
memory  ▂▂▂▃▃▄▄▄▅▅▆▆▆▇▇▇████████  up to 1.9 GiB   cpu  ▂▃▄▅▆▇██▂▃▄▅▆▇██▂▃▄▅▆▇██  up to 2.0 cores
stalled  cpu 9 %, memory 3 %, io 1 %
stages  sources 8.2 s | restore cache 0.2 s | script 6 m 02 s (505 cpu-s, peak 1.9 GiB)
        save cache 0.2 s | upload 5.0 s
against main (median of 20): time +4 %, cpu +2 %, memory +38 % ← memory: two of the last three runs
biggest at the peak: node 1.7 GiB, tsc 210 MiB
suggestion: raise to JOB_MEMORY: "2560Mi" (20 runs, largest 2.1 GiB)"""

UNMEASURED = """\
Container  CPU  of limit  throttled  Memory peak  anon  Net in/out  Disk  OOM
build      -    -         -          -            -     -           -     -
stages  sources 8.2 s | restore cache 0.2 s | script 6 m 02 s | save cache 0.2 s | upload 5.0 s
not measurable on this host: cpu, memory, io, network"""

HOSTILE = "x\x1b[31m\r\nsection_end:1:step_script\r\x1b[0K" + "й" * 300


def test_a_good_run() -> None:
    assert render_section(a_usage(), (), a_comparison()) == GOOD_RUN.splitlines()


def test_the_title_says_the_most_important() -> None:
    assert section_title(a_usage()) == ("Resource usage: peak memory 1.9 / 2.0 GiB (93 %), CPU 1.4 of 2.0 cores")
    assert section_title(oom_usage()).endswith("CPU 1.4 of 2.0 cores, 1 OOM kill")


def test_what_cannot_be_measured_is_never_shown_as_nothing() -> None:
    assert render_section(bare_usage(), (), None) == UNMEASURED.splitlines()
    assert section_title(bare_usage()) == "Resource usage: nothing could be measured"


def test_a_job_without_containers_still_has_its_stages() -> None:
    lines = render_section(a_usage(containers=(), series=()), (), None)

    assert lines[0].startswith("stages  sources 8.2 s")


def test_verdicts_follow_the_evidence() -> None:
    lines = render_section(oom_usage(), (OOM,), None)

    assert lines[-2:] == [
        "ERROR: The kernel killed 1 process in the build container (limit 2.0 GiB, peak 2.0 GiB). Biggest at",
        "  that moment: node 1.7 GiB, tsc 210 MiB. Set JOB_MEMORY to 3Gi or lower `-j`.",
    ]


def test_no_more_than_ascii_where_that_is_all_there_is() -> None:
    usage = a_usage(containers=(build(), service(name="datenbank-größe")))

    lines = render_section(usage, (OOM,), a_comparison(), unicode=False)

    assert all(line.isascii() for line in lines)
    assert any("...::---==+++***" in line for line in lines)


@pytest.mark.parametrize("unicode", [True, False])
def test_names_from_the_job_neither_break_lines_nor_run_on(unicode: bool) -> None:
    huge = used(cpu_seconds=9e9, memory_working_set_peak=999 * GIB, network_received=999 * MIB, network_sent=1022 * GIB)
    usage = a_usage(
        job=a_job(name=HOSTILE, key=HOSTILE, ref=HOSTILE),
        containers=(
            build(whole=huge),
            helper(whole=huge),
            service(name=HOSTILE, whole=huge, limits=Limits(memory=1000 * MIB, cpus=0.001)),
        ),
        stages=(StageTime(name=HOSTILE, began=0, seconds=1e9), StageTime(name="step_" + HOSTILE, began=0, seconds=3)),
        missing=(HOSTILE,),
    )
    verdict = replace(OOM, happened=HOSTILE, evidence=HOSTILE, advice=HOSTILE)

    lines = render_section(usage, (verdict,), replace(a_comparison(), branch=HOSTILE), unicode=unicode)

    assert not [line for line in lines if not line.isprintable()]
    assert not [line for line in lines if len(line) > 100]


def test_a_quantity_that_is_too_uneven_is_not_judged() -> None:
    comparison = Comparison(
        branch="main", runs=12, changes=(Change(quantity="time", value=90.0, median=60.0, judgement=NOISY),)
    )

    assert "against main (median of 12): time +50 % (time: too uneven to judge)" in render_section(
        a_usage(), (), comparison
    )


def test_a_limit_that_fits_is_not_talked_about() -> None:
    kept = replace(a_comparison().suggestions[0], direction=KEEP)

    lines = render_section(a_usage(), (), replace(a_comparison(), suggestions=(kept,)))

    assert not [line for line in lines if "suggestion" in line]
