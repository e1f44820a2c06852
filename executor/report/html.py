"""A job's use as one page for a browser: no script, nothing loaded from elsewhere, light or dark as the reader has it.

Every word that comes from a job goes through `escaped`.
"""

from __future__ import annotations

import os
import time

from executor.report.escaping import cells, escaped
from executor.report.page_charts import charts
from executor.report.section import (
    HEADINGS,
    average_cores,
    build_container,
    change_words,
    container_row,
    pressure_words,
    stage_word,
    suggestion_words,
)
from executor.report.words import UNKNOWN, cores, pair, percent, size, span
from executor.usage.comparison import KEEP, NOISY, REGRESSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.usage.comparison import Change, Comparison
    from executor.usage.model import ContainerUse, StageTime, Usage, Verdict

RESULTS = {
    "success": "passed",
    "script_failure": "failed",
    "system_failure": "system failure",
    "canceled": "canceled",
    "timeout": "timed out",
}
FULL = 0.9
LONGEST_FACT = 100


def render_html(usage: Usage, verdicts: tuple[Verdict, ...], comparison: Comparison | None) -> str:
    """The page. `comparison` None is "no history"."""
    from string import Template

    with open(os.path.join(os.path.dirname(__file__), "page.html"), encoding="utf-8") as file:
        template = Template(file.read())
    job = usage.job
    return template.substitute(
        title=escaped(f"{job.name} · {job.id}"),
        name=escaped(job.name),
        outcome="success" if usage.result == "success" else "failure",
        result=escaped(RESULTS.get(usage.result, usage.result)),
        facts=_facts(usage),
        verdicts="\n".join(map(_verdict, verdicts)),
        tiles="\n".join(_tiles(usage)),
        charts="\n".join(charts(usage)),
        containers=_containers(usage),
        stages=_stages(usage),
        comparison=_comparison(comparison),
        footer=_footer(usage),
    )


def _facts(usage: Usage) -> str:
    job = usage.job
    began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(usage.began)) if usage.began > 0 else UNKNOWN
    parts = [
        f"job {job.id}",
        job.project,
        f"{job.ref} {job.sha[:7]}",
        began,
        f"on {job.host}",
        f"cache {usage.cache}" if usage.cache else "",
        f"exit code {usage.exit_code}" if usage.exit_code else "",
        f"failed in {stage_word(usage.failed_stage)}" if usage.failed_stage else "",
    ]
    return escaped(" · ".join(part[:LONGEST_FACT] for part in parts if part))


def _verdict(verdict: Verdict) -> str:
    kind = verdict.severity if verdict.severity in ("error", "warning") else "info"
    texts = [text for text in (verdict.happened, verdict.evidence, verdict.advice) if text]
    return f'<div class="card verdict {kind}">{"".join(f"<p>{escaped(text)}</p>" for text in texts)}</div>'


def _tiles(usage: Usage) -> list[str]:
    build = build_container(usage)
    tiles = [_tile("Time", span(usage.seconds), "")]
    if build is not None:
        tiles += [_memory_tile(build), _cpu_tile(build)]
    kills = [one.whole.oom_kills for one in usage.containers if one.whole.oom_kills is not None]
    tiles.append(_tile("Killed for memory", str(sum(kills)) if kills else UNKNOWN, "processes, in all containers"))
    waits = pressure_words(usage)
    if waits:
        tiles.append(_tile("Waited", waits.partition(",")[0], waits.partition(", ")[2] or "of its time"))
    return tiles


def _memory_tile(build: ContainerUse) -> str:
    peak, limit = build.whole.memory_working_set_peak, build.limits.memory
    own = f"{size(build.whole.memory_anon_peak)} its processes' own" if build.whole.memory_anon_peak else ""
    return _tile("Peak memory", pair(peak, limit), own, _share(peak, limit))


def _cpu_tile(build: ContainerUse) -> str:
    average, limit = average_cores(build.whole), build.limits.cpus
    value = f"{cores(average)} / {cores(limit)}" if limit else cores(average)
    throttled = percent(build.whole.throttled_periods, build.whole.periods)
    return _tile("CPUs on average", value, f"{throttled} throttled" if limit else "no limit", _share(average, limit))


def _share(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _tile(name: str, value: str, note: str, share: float | None = None) -> str:
    meter = ""
    if share is not None:
        full = " full" if share >= FULL else ""
        meter = f'<div class="meter{full}"><i style="width:{min(100.0, 100 * share):.1f}%"></i></div>'
    return (
        f'<div class="card"><div class="tile-name">{escaped(name)}</div><div class="tile-value">{escaped(value)}</div>'
        f'<div class="tile-note">{escaped(note)}</div>{meter}</div>'
    )


def _containers(usage: Usage) -> str:
    if not usage.containers:
        return ""
    rows = [[*container_row(container), container.image] for container in usage.containers]
    processes = [process for container in usage.containers for process in _processes(container)]
    listed = f'<ul style="margin-top:12px">{"".join(processes)}</ul>' if processes else ""
    return _card("Containers", _table([*HEADINGS, "Image"], rows) + listed)


def _processes(container: ContainerUse) -> list[str]:
    if not container.top_processes:
        return []
    names = ", ".join(f"{process.name} {size(process.memory)}" for process in container.top_processes)
    return [f"<li>Biggest in {escaped(container.name)} at its peak: {escaped(names)}</li>"]


def _stages(usage: Usage) -> str:
    if not usage.stages:
        return ""
    headings = ["Stage", "Time", "CPU", "Memory peak", "Read", "Written", "Exit code"]
    return _card("Stages", _table(headings, [_stage_row(usage, stage) for stage in usage.stages]))


def _stage_row(usage: Usage, stage: StageTime) -> list[str]:
    """The stage's time with what the busiest container used in it."""
    found = [used for container in usage.containers for used in container.stages if used.stage == stage.name]
    used = max(found, key=lambda one: one.cpu_seconds or 0.0, default=None)
    return [
        stage_word(stage.name),
        span(stage.seconds),
        span(used.cpu_seconds) if used else UNKNOWN,
        size(used.memory_working_set_peak) if used else UNKNOWN,
        size(used.io_read) if used else UNKNOWN,
        size(used.io_written) if used else UNKNOWN,
        UNKNOWN if stage.exit_code is None else str(stage.exit_code),
    ]


def _comparison(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    items = [_change(change) for change in comparison.changes]
    items += [
        f"{escaped(one.direction)} to <code>{escaped(suggestion_words(one).partition(' (')[0])}</code> "
        f"({escaped(suggestion_words(one).partition(' (')[2])}"
        for one in comparison.suggestions
        if one.direction != KEEP
    ]
    if not items:
        return ""
    against = f"Against {comparison.branch or 'the default branch'} (median of {comparison.runs} runs)"
    title = against if comparison.changes else "Limits that would suit this job"
    return _card(title, f'<ul class="advice">{"".join(f"<li>{item}</li>" for item in items)}</ul>')


def _change(change: Change) -> str:
    note = {REGRESSION: " – two of the last three runs", NOISY: " – too uneven to judge"}.get(change.judgement, "")
    kind = ' class="failure"' if change.judgement == REGRESSION else ""
    return f"<span{kind}>{escaped(change_words(change))}{escaped(note)}</span>"


def _footer(usage: Usage) -> str:
    parts = [f"virida-executor {usage.driver}", usage.engine, f"Linux {usage.kernel}", f"cgroup v{usage.cgroup}"]
    if usage.missing:
        parts.append(f"not measurable on this host: {', '.join(usage.missing)}")
    return escaped(" · ".join(parts))


def _card(title: str, content: str) -> str:
    return f'<section class="card"><h2>{escaped(title)}</h2>{content}</section>'


def _table(headings: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{escaped(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{cells(row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
