"""What a job used, as lines of its log: at most 100 columns, without colour and without section marks."""

from __future__ import annotations

from executor.report.columns import columns, joined, wrapped
from executor.report.sparkline import sparkline
from executor.report.words import UNKNOWN, change, cores, pair, percent, setting, size, span
from executor.terminal import printable
from executor.usage.comparison import KEEP, NOISY, REGRESSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.usage.comparison import Change, Comparison, Suggestion
    from executor.usage.model import ContainerUse, Series, StageTime, Usage, Used, Verdict

HEADINGS = ["Container", "CPU", "of limit", "throttled", "Memory peak", "anon", "Net in/out", "Disk", "OOM"]
NAME_WIDTH = 28
SPARK_WIDTH = 24
SHORT_STAGES = {
    "prepare_script": "prepare",
    "get_sources": "sources",
    "build_script": "script",
    "step_script": "script",
    "cleanup_file_variables": "cleanup",
    "upload_artifacts_on_success": "upload",
    "upload_artifacts_on_failure": "upload",
    "download_artifacts": "download",
    "archive_cache": "save cache",
    "archive_cache_on_failure": "save cache",
}
# A stage that took less says nothing to anybody.
SHORTEST_STAGE = 0.05


def section_title(usage: Usage) -> str:
    """What is seen while the section is closed: `Resource usage: peak memory 1.9 / 2.0 GiB (95 %), CPU …`."""
    build = build_container(usage)
    parts = []
    if build is not None:
        parts = [_peak_words(build), _cpu_words(build)]
    kills = sum(container.whole.oom_kills or 0 for container in usage.containers)
    if kills:
        parts.append("1 OOM kill" if kills == 1 else f"{kills} OOM kills")
    return f"Resource usage: {', '.join(part for part in parts if part) or 'nothing could be measured'}"


def render_section(
    usage: Usage, verdicts: tuple[Verdict, ...], comparison: Comparison | None, *, unicode: bool = True
) -> list[str]:
    """The section's lines, from the containers to what to do about them.

    `comparison` None is "no history"; `unicode` false keeps to ASCII.
    """
    lines = [
        *_container_lines(usage),
        *_curve_lines(usage, unicode=unicode),
        *_pressure_lines(usage),
        *_stage_lines(usage),
        *_comparison_lines(comparison, unicode=unicode),
        *_process_lines(usage),
        *[line for verdict in verdicts for line in _verdict_lines(verdict)],
        *_suggestion_lines(comparison),
        *_missing_lines(usage),
    ]
    return lines if unicode else [line.encode("ascii", "replace").decode() for line in lines]


def build_container(usage: Usage) -> ContainerUse | None:
    """The job's own container; None for a job that never had one."""
    return next((container for container in usage.containers if container.role == "build"), None)


def stage_word(stage: str) -> str:
    """A stage's name as people say it: `script`, `restore cache`."""
    return printable(SHORT_STAGES.get(stage) or stage.removeprefix("step_").replace("_", " "))[:NAME_WIDTH]


def container_row(container: ContainerUse) -> list[str]:
    """One container in the order of `HEADINGS`."""
    used, limits = container.whole, container.limits
    return [
        container_name(container),
        span(used.cpu_seconds),
        _share_of_limit(used, limits.cpus),
        percent(used.throttled_periods, used.periods) if used.periods else UNKNOWN,
        pair(used.memory_working_set_peak, limits.memory),
        size(used.memory_anon_peak),
        pair(used.network_received, used.network_sent),
        size(used.disk_written),
        UNKNOWN if used.oom_kills is None else str(used.oom_kills),
    ]


def container_name(container: ContainerUse) -> str:
    """`build`, `helper`, or a service's name, made safe for one line."""
    return printable(container.name or container.role)[:NAME_WIDTH]


def average_cores(used: Used) -> float | None:
    """CPUs in use over the whole time, None where unknown."""
    return used.cpu_seconds / used.wall_seconds if used.cpu_seconds is not None and used.wall_seconds > 0 else None


def curves_of(usage: Usage) -> list[tuple[str, Series]]:
    """The build container's curves with their titles: memory first, then CPU, where they were measured."""
    build = build_container(usage)
    found = []
    for title, unit in (("memory", "bytes"), ("cpu", "cores")):
        mine = [one for one in usage.series if build and one.container == build.name and one.unit == unit and one.highs]
        found += [(title, one) for one in mine[:1]]
    return found


def top_of(series: Series) -> str:
    """The highest point in words."""
    highest = max(series.highs)
    return size(highest) if series.unit == "bytes" else f"{cores(highest)} cores"


def pressure_words(usage: Usage) -> str:
    """Shares of the build container's time that some process waited: `cpu 9 %, memory 3 %, io 1 %`."""
    build = build_container(usage)
    if build is None:
        return ""
    used = build.whole
    waits = (
        ("cpu", used.pressure_cpu_seconds),
        ("memory", used.pressure_memory_seconds),
        ("io", used.pressure_io_seconds),
    )
    return ", ".join(f"{name} {percent(wait, used.wall_seconds)}" for name, wait in waits if wait is not None)


def change_words(change_: Change) -> str:
    """One quantity against the default branch: `memory +38 %`."""
    return f"{change_.quantity} {change(change_.value, change_.median)}"


def suggestion_words(suggestion: Suggestion) -> str:
    """What to write into `.gitlab-ci.yml`, and why."""
    largest = size(suggestion.largest) if suggestion.resource == "memory" else f"{cores(suggestion.largest)} cores"
    runs = "1 run" if suggestion.runs == 1 else f"{suggestion.runs} runs"
    return f"{setting(suggestion)} ({runs}, largest {largest})"


def _peak_words(build: ContainerUse) -> str:
    peak, limit = build.whole.memory_working_set_peak, build.limits.memory
    if peak is None:
        return ""
    return f"peak memory {pair(peak, limit)}{f' ({percent(peak, limit)})' if limit else ''}"


def _cpu_words(build: ContainerUse) -> str:
    average = average_cores(build.whole)
    if average is None:
        return ""
    of_limit = f" of {cores(build.limits.cpus)}" if build.limits.cpus else ""
    return f"CPU {cores(average)}{of_limit} cores"


def _share_of_limit(used: Used, limit: float | None) -> str:
    average = average_cores(used)
    if average is None:
        return UNKNOWN
    return percent(average, limit) if limit else f"{cores(average)} cores"


def _container_lines(usage: Usage) -> list[str]:
    return columns([HEADINGS, *map(container_row, usage.containers)]) if usage.containers else []


def _curve_lines(usage: Usage, *, unicode: bool) -> list[str]:
    curves = [
        f"{title}  {sparkline(one.offsets, one.highs, SPARK_WIDTH, unicode=unicode)}  up to {top_of(one)}"
        for title, one in curves_of(usage)
    ]
    return joined("", curves, "   ") if curves else []


def _pressure_lines(usage: Usage) -> list[str]:
    words = pressure_words(usage)
    return [f"stalled  {words}"] if words else []


def _stage_lines(usage: Usage) -> list[str]:
    parts = [_stage(usage, stage) for stage in usage.stages if stage.seconds >= SHORTEST_STAGE]
    return joined("stages  ", parts, " | ") if parts else []


def _stage(usage: Usage, stage: StageTime) -> str:
    """`script 6 m 02 s (505 cpu-s, peak 1.9 GiB)` for what ran in the build container, else the time alone."""
    words = f"{stage_word(stage.name)} {span(stage.seconds)}"
    build = build_container(usage)
    used = next((one for one in build.stages if one.stage == stage.name), None) if build else None
    if used is None or used.cpu_seconds is None or used.cpu_seconds < 1:
        return words
    peak = f", peak {size(used.memory_working_set_peak)}" if used.memory_working_set_peak is not None else ""
    return f"{words} ({used.cpu_seconds:.0f} cpu-s{peak})"


def _comparison_lines(comparison: Comparison | None, *, unicode: bool) -> list[str]:
    if comparison is None or not comparison.changes:
        return []
    words = ", ".join(change_words(change_) for change_ in comparison.changes)
    arrow = "←" if unicode else "<-"
    notes = []
    if comparison.regressions():
        worse = " and ".join(change_.quantity for change_ in comparison.changes if change_.judgement == REGRESSION)
        notes.append(f" {arrow} {worse}: two of the last three runs")
    noisy = ", ".join(change_.quantity for change_ in comparison.changes if change_.judgement == NOISY)
    if noisy:
        notes.append(f" ({noisy}: too uneven to judge)")
    branch = printable(comparison.branch)[:NAME_WIDTH] or "the default branch"
    return wrapped(f"against {branch} (median of {comparison.runs}): {words}{''.join(notes)}", indent="  ")


def _process_lines(usage: Usage) -> list[str]:
    build = build_container(usage)
    if build is None or not build.top_processes:
        return []
    words = ", ".join(f"{printable(one.name)[:16]} {size(one.memory)}" for one in build.top_processes[:5])
    return wrapped(f"biggest at the peak: {words}", indent="  ")


def _verdict_lines(verdict: Verdict) -> list[str]:
    text = " ".join(part for part in (verdict.happened, verdict.evidence, verdict.advice) if part)
    return wrapped(f"{verdict.severity.upper()}: {printable(text)}", indent="  ")


def _suggestion_lines(comparison: Comparison | None) -> list[str]:
    wanted = [one for one in comparison.suggestions if one.direction != KEEP] if comparison else []
    return [f"suggestion: {one.direction} to {suggestion_words(one)}" for one in wanted]


def _missing_lines(usage: Usage) -> list[str]:
    if not usage.missing:
        return []
    return wrapped(f"not measurable on this host: {', '.join(map(printable, usage.missing))}", indent="  ")
