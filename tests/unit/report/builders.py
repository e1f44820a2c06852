"""Made-up uses of jobs, as a job on a small host has them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from executor.usage.comparison import MEMORY, RAISE, REGRESSION, Change, Comparison, Suggestion
from executor.usage.model import (
    ContainerUse,
    JobFacts,
    Limits,
    Process,
    Series,
    StageTime,
    Usage,
    Used,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB = 1024**2
GIB = 1024**3
BEGAN = 1_790_000_000.0

OOM = Verdict(
    code="oom",
    severity="error",
    happened="The kernel killed 1 process in the build container (limit 2.0 GiB, peak 2.0 GiB).",
    evidence="Biggest at that moment: node 1.7 GiB, tsc 210 MiB.",
    advice="Set JOB_MEMORY to 3Gi or lower `-j`.",
)


def a_job(**changes: Any) -> JobFacts:
    """`build:frontend` on main."""
    facts = JobFacts(
        id=88214,
        pipeline_id=5001,
        project_id=7,
        project="virida/frontend",
        name="build:frontend 3/10",
        key="build:frontend",
        ref="main",
        sha="4f2a91c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6",
        on_default_branch=True,
        merge_request=None,
        runner="a1B2c3D4",
        host="runner-01",
    )
    return replace(facts, **changes)


def used(stage: str = "", wall: float = 372.0, **changes: Any) -> Used:
    """A busy build container's use."""
    whole = Used(
        stage=stage,
        wall_seconds=wall,
        cpu_seconds=511.0,
        cpu_user_seconds=450.0,
        cpu_system_seconds=61.0,
        throttled_seconds=44.0,
        periods=3700,
        throttled_periods=444,
        memory_working_set_peak=1_990_000_000,
        memory_anon_peak=1_825_000_000,
        memory_kernel_peak=2 * GIB,
        oom_kills=0,
        processes_peak=41,
        io_read=300 * MIB,
        io_written=800 * MIB,
        disk_written=2254 * MIB,
        pressure_cpu_seconds=33.0,
        pressure_memory_seconds=11.0,
        pressure_io_seconds=4.0,
        samples=int(wall),
    )
    return replace(whole, **changes)


def unmeasured(stage: str = "", wall: float = 372.0) -> Used:
    """What is known where nothing can be measured: the time."""
    return Used(stage=stage, wall_seconds=wall)


def build(**changes: Any) -> ContainerUse:
    """The build container, with its script's stage."""
    container = ContainerUse(
        role="build",
        name="build",
        image="node:20",
        limits=Limits(memory=2 * GIB, cpus=2.0),
        whole=used(),
        stages=(used("build_script", 362.0, cpu_seconds=505.0),),
        top_processes=(Process(name="node", memory=1700 * MIB), Process(name="tsc", memory=210 * MIB)),
    )
    return replace(container, **changes)


def helper(**changes: Any) -> ContainerUse:
    """The helper, which owns the job's network."""
    whole = used(
        cpu_seconds=9.0,
        memory_working_set_peak=120 * MIB,
        memory_anon_peak=40 * MIB,
        network_received=310 * MIB,
        network_sent=12 * MIB,
        disk_written=0,
        periods=None,
        throttled_periods=None,
    )
    container = ContainerUse(role="helper", name="helper", image="helper:1", limits=Limits(), whole=whole)
    return replace(container, **changes)


def service(**changes: Any) -> ContainerUse:
    """A database."""
    whole = used(cpu_seconds=31.0, memory_working_set_peak=410 * MIB, memory_anon_peak=180 * MIB, throttled_periods=0)
    container = ContainerUse(
        role="service", name="postgres", image="postgres:16", limits=Limits(memory=GIB, cpus=1.0), whole=whole
    )
    return replace(container, **changes)


def series(quantity: str, unit: str, highs: Sequence[float], container: str = "build") -> Series:
    """One point every five seconds."""
    return Series(
        container=container,
        quantity=quantity,
        unit=unit,
        offsets=tuple(5.0 * index for index in range(len(highs))),
        means=tuple(0.8 * value for value in highs),
        highs=tuple(highs),
    )


def a_usage(**changes: Any) -> Usage:
    """A good run of `build:frontend` with a database."""
    memory = [GIB * min(1.85, 0.2 + 0.03 * index) for index in range(72)]
    cpu = [min(2.0, 0.1 + 0.09 * (index % 24)) for index in range(72)]
    usage = Usage(
        job=a_job(),
        began=BEGAN,
        seconds=380.0,
        result="success",
        exit_code=0,
        failed_stage="",
        cache="hit",
        cgroup=2,
        engine="Docker 27.3",
        kernel="6.8.0-45-generic",
        driver="1.0.0",
        containers=(build(), helper(), service()),
        stages=(
            StageTime(name="prepare_script", began=BEGAN, seconds=0.01, exit_code=0),
            StageTime(name="get_sources", began=BEGAN + 1, seconds=8.2, exit_code=0),
            StageTime(name="restore_cache", began=BEGAN + 9, seconds=0.2, exit_code=0),
            StageTime(name="build_script", began=BEGAN + 10, seconds=362.0, exit_code=0),
            StageTime(name="archive_cache", began=BEGAN + 372, seconds=0.2, exit_code=0),
            StageTime(name="upload_artifacts_on_success", began=BEGAN + 373, seconds=5.0, exit_code=0),
        ),
        series=(series("memory", "bytes", memory), series("cpu", "cores", cpu)),
        missing=(),
    )
    return replace(usage, **changes)


def oom_usage() -> Usage:
    """The same, killed for its memory."""
    whole = used(oom_kills=1, memory_working_set_peak=2 * GIB, memory_anon_peak=2 * GIB - 4 * MIB)
    return a_usage(
        containers=(build(whole=whole), helper(), service()),
        result="script_failure",
        exit_code=137,
        failed_stage="build_script",
    )


def bare_usage() -> Usage:
    """A host that can measure nothing but time."""
    return a_usage(
        containers=(build(whole=unmeasured(), stages=(), top_processes=(), limits=Limits()),),
        series=(),
        missing=("cpu", "memory", "io", "network"),
    )


def a_comparison() -> Comparison:
    """Memory has grown."""
    return Comparison(
        branch="main",
        runs=20,
        changes=(
            Change(quantity="time", value=380.0, median=365.0),
            Change(quantity="cpu", value=551.0, median=540.0),
            Change(quantity=MEMORY, value=1_825_000_000.0, median=1_322_000_000.0, judgement=REGRESSION),
        ),
        suggestions=(
            Suggestion(
                resource=MEMORY,
                value=2560.0 * MIB,
                direction=RAISE,
                runs=20,
                largest=2.1 * GIB,
                limit=2.0 * GIB,
                reason="near-limit",
            ),
        ),
    )
