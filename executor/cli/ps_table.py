"""Running jobs for a person's eyes: a table of at most 100 columns on a terminal, else lines divided by tabs."""

from __future__ import annotations

from executor.cli.tables import print_rows
from executor.sandbox.ages import span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from executor.inspection.containers import JobContainer
    from executor.inspection.jobs import HostJob

HEADINGS = ("Job", "Project", "Name", "Ref", "Stage", "In stage", "Since", "CPU", "Memory", "Containers")
NUMERIC = ("Job", "In stage", "Since", "CPU", "Memory")
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
STEP = 1024
UNKNOWN = "-"


def print_jobs(jobs: list[HostJob], containers: dict[str, list[JobContainer]], now: float) -> None:
    """One row a job. `containers` are each job's by its key."""
    rows = [_row(job, containers[job.key], now) for job in jobs]
    print_rows(HEADINGS, rows, numeric=NUMERIC, empty="No job runs here.")


def _row(job: HostJob, containers: list[JobContainer], now: float) -> tuple[str, ...]:
    stage = job.stage if job.seconds_kept is None else f"kept for {span(job.seconds_kept)}"
    cpus = _total(container.cpus for container in containers)
    memory = _total(container.memory for container in containers)
    return (
        str(job.id),
        job.project or UNKNOWN,
        job.name or UNKNOWN,
        job.ref or UNKNOWN,
        stage,
        _since(job.stage_began, now),
        _since(job.began, now),
        UNKNOWN if cpus is None else f"{cpus:.2f}",
        UNKNOWN if memory is None else size(memory),
        " ".join(f"{one.title}{'' if one.running else ' (ended)'}" for one in containers) or UNKNOWN,
    )


def size(count: float) -> str:
    """Bytes in words: `512 MiB`, `1.9 GiB`."""
    units = list(UNITS)
    while count >= STEP and len(units) > 1:
        count /= STEP
        units.pop(0)
    return f"{count:.1f} {units[0]}" if count < 10 and units[0] != "B" else f"{count:.0f} {units[0]}"


def _since(began: float, now: float) -> str:
    return span(now - began) if began else UNKNOWN


def _total(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
