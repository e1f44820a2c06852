"""What went wrong with a job's use of the machine, in words: what happened, what shows that, what to do.

Pure: everything comes from `Usage` and from what else was noticed (`Clues`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from executor.usage.model import Verdict
from executor.usage.summary import CANCELED, SCRIPT_FAILURE, SUCCESS, TIMEOUT
from executor.usage.words import cores, memory_setting, percent, size, span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from executor.usage.model import ContainerUse, Process, StageTime, Usage

ERROR = "error"
WARNING = "warning"
INFO = "info"

SIGKILL = 137
# What the last output of a failed script may speak of.
NODE_HEAP = "node-heap"
JAVA_HEAP = "java-heap"
DISK_FULL = "disk-full"

NEAR = 0.9
STALLED = 0.1
THROTTLED = 0.25
THROTTLED_SECONDS = 5.0
AFTER_KILL = 1.5
STEP = 128 * 1024**2
NAMED = 3
SHORTEST_NAMED_STAGE = 1.0


@dataclass(frozen=True, kw_only=True)
class Clues:
    """What was noticed beside the use. Memory in bytes, time in seconds; None is not known.

    `killed` are the processes that the kernel killed, by the container's name; `hints` what the failed script's last
    output speaks of; `host_oom_kills` are of the whole host. `time_limit` is the job's, `script_limit`
    RUNNER_SCRIPT_TIMEOUT (0: none). `asked` tells whether JOB_MEMORY set the limit,
    `most_memory` is the most that it may ask for. `wanted_memory` is what the job's history suggests, by `runs` runs.
    """

    killed: Mapping[str, tuple[Process, ...]] = field(default_factory=dict)
    hints: frozenset[str] = frozenset()
    host_oom_kills: int | None = None
    time_limit: int = 0
    script_limit: int = 0
    asked: bool = False
    most_memory: int | None = None
    wanted_memory: int | None = None
    runs: int = 0
    largest: float = 0.0


def judge(usage: Usage, clues: Clues) -> tuple[Verdict, ...]:
    """All that is worth telling, the gravest first."""
    found = [verdict for rule in _RULES for verdict in rule(usage, clues)]
    order = (ERROR, WARNING, INFO)
    return tuple(sorted(found, key=lambda verdict: order.index(verdict.severity)))


def container_words(container: ContainerUse) -> str:
    """How people call it: `the build container`, `the service postgres`."""
    return f"the service {container.name}" if container.role == "service" else f"the {container.role} container"


def _out_of_memory(usage: Usage, clues: Clues) -> list[Verdict]:
    """A kill in the job's own containers. In a job that succeeded it was borne."""
    return [
        _oom_verdict(container, usage, clues)
        for container in usage.containers
        if container.role != "service" and container.whole.oom_kills
    ]


def _oom_verdict(container: ContainerUse, usage: Usage, clues: Clues) -> Verdict:
    failed = usage.result != SUCCESS and _killed_in_failed_stage(container, usage)
    who = _killed_words(container, clues)
    place = f"{container_words(container)} ({_limit_words(container, clues)})"
    happened = f"OUT OF MEMORY: the kernel killed {who} in {place}."
    if not failed:
        happened = f"The kernel killed {who} for memory in {place}; the job went on."
    return Verdict(
        code="oom",
        severity=ERROR if failed else WARNING,
        happened=happened,
        evidence=_biggest_words(container),
        advice=_memory_advice(container, clues),
    )


def _service_out_of_memory(usage: Usage, clues: Clues) -> list[Verdict]:
    """A service that is gone is often why a job cannot connect."""
    failed = usage.result == SCRIPT_FAILURE
    return [
        Verdict(
            code="service-oom",
            severity=ERROR if failed else WARNING,
            happened=f"OUT OF MEMORY: the kernel killed {_killed_words(container, clues)} in "
            f"{container_words(container)} ({_limit_words(container, clues)}).",
            evidence="What the job could not connect to, or what hung up on it, may have been this." if failed else "",
            advice="Set JOB_SERVICE_MEMORY higher, or have the operator raise `service_memory`.",
        )
        for container in usage.containers
        if container.role == "service" and container.whole.oom_kills
    ]


def _killed(usage: Usage, clues: Clues) -> list[Verdict]:
    """SIGKILL that no limit of a container explains: the host's memory, or somebody."""
    if usage.exit_code != SIGKILL or usage.result != SCRIPT_FAILURE or _kills(usage):
        return []
    if clues.host_oom_kills:
        return [
            Verdict(
                code="host-oom",
                severity=ERROR,
                happened="OUT OF MEMORY: the runner's host ran out of memory, and the kernel killed a process.",
                evidence=f"No limit of the job was reached; {_kill_count(clues.host_oom_kills)} on the host meanwhile.",
                advice="Retry the job. The operator should bound `memory` or `concurrent`, or add memory.",
            )
        ]
    return [
        Verdict(
            code="killed",
            severity=ERROR,
            happened=f"KILLED: {usage.failed_stage} was ended by SIGKILL (exit code 137), not for its memory.",
            evidence="The kernel has counted no kill for memory in the job's containers.",
            advice="Look for `kill -9`, `timeout -s KILL` or a tool's own watchdog in the script.",
        )
    ]


def _heap_limit(usage: Usage, clues: Clues) -> list[Verdict]:
    """A runtime that gave up at a limit of its own, far below the container's."""
    java, node = JAVA_HEAP in clues.hints, NODE_HEAP in clues.hints
    build = _build(usage)
    if usage.result != SCRIPT_FAILURE or not (java or node) or build is None or build.whole.oom_kills:
        return []
    peak, limit = build.whole.memory_anon_peak, build.limits.memory
    room = f" of {size(limit)}" if limit else ""
    option = "-Xmx (as in JAVA_TOOL_OPTIONS)" if java else "NODE_OPTIONS: --max-old-space-size=MEGABYTES"
    near = bool(limit and peak and peak >= NEAR * limit)
    return [
        Verdict(
            code="heap-limit",
            severity=ERROR,
            happened=f"HEAP LIMIT: {'Java' if java else 'Node.js'} ran out of the heap that it allows itself.",
            evidence=f"The container's memory was not at fault: {size(peak)}{room} in use at most." if not near else "",
            advice=f"Raise {option}{', and JOB_MEMORY with it' if near else ''}.",
        )
    ]


def _disk_full(usage: Usage, clues: Clues) -> list[Verdict]:
    if usage.result != SCRIPT_FAILURE or DISK_FULL not in clues.hints:
        return []
    build = _build(usage)
    written = size(build.whole.disk_written) if build and build.whole.disk_written else ""
    return [
        Verdict(
            code="disk-full",
            severity=ERROR,
            happened="DISK FULL: the script was told that no space is left.",
            evidence=f"The job has written {written} to its container so far." if written else "",
            advice="Retry when the operator has made room (`executor gc`, `df -h` on the host), or write less.",
        )
    ]


def _time(usage: Usage, clues: Clues) -> list[Verdict]:
    """Where the time of a job went that was stopped."""
    stage = next((one for one in usage.stages if one.name == usage.failed_stage), None)
    if usage.result not in (TIMEOUT, CANCELED) or stage is None:
        return []
    over = usage.result == TIMEOUT
    what = f"TIME LIMIT: {_limit_of(stage, clues)} over" if over else "CANCELED"
    return [
        Verdict(
            code="timeout" if over else "canceled",
            severity=ERROR if over else INFO,
            happened=f"{what} in {stage.name}, which had run for {span(stage.seconds)}.",
            evidence=_time_words(usage.stages, stage),
            advice=f"Raise the limit, or find what {stage.name} waits for." if over else "",
        )
    ]


def _limit_of(stage: StageTime, clues: Clues) -> str:
    """Which limit a stage ran into, and its verb."""
    if clues.script_limit and stage.seconds >= clues.script_limit * NEAR:
        return f"the {span(clues.script_limit)} of RUNNER_SCRIPT_TIMEOUT were"
    return f"the job's {span(clues.time_limit)} were" if clues.time_limit else "its time was"


def _near_limit(usage: Usage, clues: Clues) -> list[Verdict]:
    """So little was left that the next change may be one too many."""
    return [
        Verdict(
            code="near-limit",
            severity=WARNING,
            happened=f"{_capital(container_words(container))} came close to its memory limit "
            f"({size(_held(container))} of {size(container.limits.memory)}).",
            evidence=_biggest_words(container),
            advice=_memory_advice(container, clues),
        )
        for container in usage.containers
        if container.limits.memory and not container.whole.oom_kills and _is_near(container)
    ]


def _throttled(usage: Usage, clues: Clues) -> list[Verdict]:
    """Time lost to the CPU limit while there was something to do."""
    build = _build(usage)
    if build is None or not build.whole.periods or not build.limits.cpus:
        return []
    used = build.whole
    share = (used.throttled_periods or 0) / (used.periods or 1)
    stalled = used.pressure_cpu_seconds
    waited = stalled is None or stalled > STALLED * used.wall_seconds
    if share <= THROTTLED or (used.throttled_seconds or 0) < THROTTLED_SECONDS or not waited:
        return []
    return [
        Verdict(
            code="throttled",
            severity=INFO,
            happened=f"The build container was slowed down by its limit of {cores(build.limits.cpus)} CPUs.",
            evidence=f"That was so in {percent(used.throttled_periods, used.periods)} of the time that it was busy.",
            advice="Raise JOB_CPUS, or run fewer things side by side.",
        )
    ]


_RULES: tuple[Callable[[Usage, Clues], list[Verdict]], ...] = (
    _out_of_memory,
    _service_out_of_memory,
    _killed,
    _heap_limit,
    _disk_full,
    _time,
    _near_limit,
    _throttled,
)


def _build(usage: Usage) -> ContainerUse | None:
    return next((container for container in usage.containers if container.role == "build"), None)


def _kills(usage: Usage) -> int:
    return sum(container.whole.oom_kills or 0 for container in usage.containers if container.role != "service")


def _killed_in_failed_stage(container: ContainerUse, usage: Usage) -> bool:
    """Whether a kill may have failed the job; one that an earlier stage got over has not."""
    rows = [row for row in container.stages if row.oom_kills]
    return not rows or any(row.stage == usage.failed_stage for row in rows)


def _kill_count(count: int) -> str:
    return "1 kill" if count == 1 else f"{count} kills"


def _killed_words(container: ContainerUse, clues: Clues) -> str:
    """`node`, as the kernel calls it; a count where it does not say."""
    names = list(dict.fromkeys(process.name for process in clues.killed.get(container.name, ())))
    kills = container.whole.oom_kills or 1
    if not names:
        return "a process" if kills == 1 else f"{kills} processes"
    words = ", ".join(f"`{name}`" for name in names[:NAMED])
    return words if kills <= len(names) else f"{words} ({kills} times)" if len(names) == 1 else f"{words} and others"


def _limit_words(container: ContainerUse, clues: Clues) -> str:
    peaks = (container.whole.memory_kernel_peak, container.whole.memory_working_set_peak)
    peak = max((value for value in peaks if value is not None), default=None)
    parts = [
        f"limit {size(container.limits.memory)}" if container.limits.memory else "no limit of its own",
        f"peak {size(peak)}" if peak is not None else "",
        "asked by JOB_MEMORY" if clues.asked and container.role == "build" else "",
    ]
    return ", ".join(part for part in parts if part)


def _biggest_words(container: ContainerUse) -> str:
    top = container.top_processes[:NAMED]
    return f"Biggest then: {', '.join(f'{one.name} {size(one.memory)}' for one in top)}." if top else ""


def _memory_advice(container: ContainerUse, clues: Clues) -> str:
    limit = container.limits.memory
    if container.role == "helper":
        return "It runs git, caches and artifacts: ask the operator for a higher `memory` under [runners.docker]."
    if not limit:
        return "Let the job use less, or have the operator set a `memory` that the host can give."
    wanted = max(clues.wanted_memory or 0, -int(-limit * AFTER_KILL // STEP) * STEP)
    if clues.most_memory and wanted > clues.most_memory:
        wanted = clues.most_memory
    if wanted <= limit:
        return f"Use less (fewer workers, `-j`): {size(limit)} is the most that the operator lets a job have."
    runs = f" ({clues.runs} runs, largest {size(clues.largest)})" if clues.runs > 1 else ""
    return f"Set JOB_MEMORY to {memory_setting(wanted)}{runs}, or lower `-j`."


def _held(container: ContainerUse) -> int | None:
    """What its processes held; with page cache, memory is as large as the limit lets it be."""
    used = container.whole
    return used.memory_working_set_peak if used.memory_anon_peak is None else used.memory_anon_peak


def _is_near(container: ContainerUse) -> bool:
    used, limit = container.whole, container.limits.memory or 0
    squeezed = (used.pressure_memory_seconds or 0) > STALLED * used.wall_seconds
    return (_held(container) or 0) >= NEAR * limit or (squeezed and (used.memory_working_set_peak or 0) >= NEAR * limit)


def _time_words(stages: tuple[StageTime, ...], last: StageTime) -> str:
    """What took the rest of the time."""
    longest = sorted((stage for stage in stages if stage != last), key=lambda stage: -stage.seconds)[:NAMED]
    named = [f"{stage.name} {span(stage.seconds)}" for stage in longest if stage.seconds >= SHORTEST_NAMED_STAGE]
    return f"Beside it: {', '.join(named)}." if named else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
