"""A job's use as the report `metrics`: OpenMetrics text that GitLab compares between branches as plain words.

Values are rounded coarsely, for GitLab calls every other digit a change. The job's name is a label, or a merge request
would mix up its jobs. What is unknown is left out.
"""

from __future__ import annotations

from executor.terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.usage.model import ContainerUse, Usage

    # A container, None for the whole job, and the value.
    Sample = tuple[ContainerUse | None, str | None]

NAME = "metrics.txt"
MEMORY_STEP = 64 * 1024**2
SECONDS_STEP = 5
CORES_STEP = 0.1
LONGEST_LABEL = 200

HELP = {
    "job_duration_seconds": ("seconds", "Time of the job, in steps of 5 s."),
    "job_cpu_seconds": ("seconds", "CPU time of a container, in steps of 5 s."),
    "job_cpu_cores": ("", "CPUs in use on average, in tenths."),
    "job_memory_peak_bytes": ("bytes", "Highest working set of a container, in steps of 64 MiB."),
    "job_oom_kills": ("", "Processes that the kernel killed for memory."),
    "job_network_receive_bytes": ("bytes", "What the job's network received, in steps of 64 MiB."),
    "job_network_transmit_bytes": ("bytes", "What the job's network sent, in steps of 64 MiB."),
}


def render_openmetrics(usage: Usage) -> str:
    """The whole file, its end marked as OpenMetrics wants it."""
    samples: dict[str, list[Sample]] = {"job_duration_seconds": [(None, _rounded(usage.seconds, SECONDS_STEP))]}
    for container in usage.containers:
        for name, value in _values(container).items():
            if value is not None:
                samples.setdefault(name, []).append((container, value))
    lines = [line for name in HELP if name in samples for line in _family(name, usage, samples[name])]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _values(container: ContainerUse) -> dict[str, str | None]:
    used = container.whole
    average = used.cpu_seconds / used.wall_seconds if used.cpu_seconds is not None and used.wall_seconds else None
    return {
        "job_cpu_seconds": _rounded(used.cpu_seconds, SECONDS_STEP),
        "job_cpu_cores": _rounded(average, CORES_STEP),
        "job_memory_peak_bytes": _rounded(used.memory_working_set_peak, MEMORY_STEP),
        "job_oom_kills": _rounded(used.oom_kills, 1),
        "job_network_receive_bytes": _rounded(used.network_received, MEMORY_STEP),
        "job_network_transmit_bytes": _rounded(used.network_sent, MEMORY_STEP),
    }


def _family(name: str, usage: Usage, samples: list[Sample]) -> list[str]:
    unit, help_text = HELP[name]
    head = [f"# TYPE {name} gauge", *([f"# UNIT {name} {unit}"] if unit else []), f"# HELP {name} {help_text}"]
    return [*head, *(f"{name}{{{_labels(usage, container)}}} {value}" for container, value in samples)]


def _labels(usage: Usage, container: ContainerUse | None) -> str:
    labels = {"job": usage.job.name}
    if container is not None:
        labels["container"] = container.name or container.role
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(text: str) -> str:
    safe = printable(text[:LONGEST_LABEL]).replace("\t", " ")
    return safe.replace("\\", "\\\\").replace('"', '\\"')


def _rounded(value: float | None, step: float) -> str | None:
    return None if value is None else f"{round(round(value / step) * step, 3):g}" if step < 1 else _whole(value, step)


def _whole(value: float, step: float) -> str:
    return str(int(round(value / step) * step))
