"""Limits that a job asks for itself, or needs by its history: within the operator's bounds."""

from __future__ import annotations

from executor.errors import JobError
from executor.settings.units import parse_bytes, parse_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from executor.plan.request import Request

# What a container cannot be without: the Engine refuses less memory, and CPU time below a hundredth is none.
LEAST_MEMORY = 6 * 1024**2
LEAST_NANOS = 10**7
NANOS = 10**9
MEBIBYTE = 1024**2


def build_limits(request: Request, given: dict[str, Any]) -> dict[str, Any]:
    """What differs in the build container's HostConfig from `given`, the operator's: by JOB_MEMORY and JOB_CPUS.

    Raises `JobError` for a value that is no size or no number of CPUs. More than is allowed becomes what is.
    """
    asked = _asked(request, "JOB_MEMORY", _bytes, LEAST_MEMORY)
    memory = _with_need(request, asked, given["Memory"])
    return _memory(request, memory, given) | _cpus(request, "JOB_CPUS", given)


def service_limits(request: Request, given: dict[str, Any]) -> dict[str, Any]:
    """The same for each service, by JOB_SERVICE_MEMORY and JOB_SERVICE_CPUS."""
    memory = _asked(request, "JOB_SERVICE_MEMORY", _bytes, LEAST_MEMORY)
    if memory:
        memory = _at_most(request, "JOB_SERVICE_MEMORY", memory, most_memory(request, given["Memory"]), _size_words)
    return _memory(request, memory, given) | _cpus(request, "JOB_SERVICE_CPUS", given)


def most_memory(request: Request, given: int) -> int:
    """The most that a container may get, in bytes: by [limits], else what the operator `given` it; 0 is no bound."""
    policy = request.rule.settings.max_memory if request.rule else ""
    return _smallest(parse_bytes(request.settings.limits.max_memory or "0") or given, parse_bytes(policy or "0"))


def _with_need(request: Request, asked: int, given: int) -> int:
    """The memory that the build container gets where that is not simply `given`; 0 where it is.

    After a run that was killed for its memory it is more than then, whatever the job asks for.
    """
    most = most_memory(request, given)
    wanted = _at_most(request, "JOB_MEMORY", asked, most, _size_words) if asked else 0
    now, needed = wanted or given, request.host.needed_memory
    if not now or needed <= now:
        return wanted
    granted = _smallest(needed, most)
    if granted <= now:
        request.warn(
            f"An earlier run was killed for its memory, and {_size_words(now)} is the most that this runner gives."
        )
        return wanted
    words = _size_words(granted)
    bound = f" {words} is the most that this runner gives." if granted < needed else ""
    request.warn(
        f"The job gets {words} of memory instead of {_size_words(now)}: an earlier run was killed for it.{bound}"
    )
    return granted


def _memory(request: Request, wanted: int, given: dict[str, Any]) -> dict[str, Any]:
    """Swap stays as large as it was, and a reservation below the limit: the Engine refuses what contradicts it."""
    if not wanted:
        return {}
    swap, reservation = given["MemorySwap"], given["MemoryReservation"]
    return {
        "Memory": wanted,
        "MemorySwap": swap and wanted + max(0, swap - given["Memory"]),
        "MemoryReservation": min(reservation, wanted),
    }


def _cpus(request: Request, variable: str, given: dict[str, Any]) -> dict[str, Any]:
    nanos = _asked(request, variable, parse_cpus, LEAST_NANOS)
    if not nanos:
        return {}
    policy = request.rule.settings.max_cpus if request.rule else ""
    most = parse_cpus(request.settings.limits.max_cpus or "0") or given["NanoCpus"]
    most = _smallest(most, parse_cpus(policy or "0"), request.host.cpus * NANOS)
    return {"NanoCpus": _at_most(request, variable, nanos, most, _cpu_words)}


def _asked(request: Request, variable: str, read: Callable[[str], int], least: int) -> int:
    """What a variable of the job's asks for, 0 for nothing."""
    text = request.host.variables.get(variable, "").strip()
    if not text:
        return 0
    example = '"1.5"' if read is parse_cpus else '"512m" or "3Gi"'
    try:
        value = read(text)
    except ValueError:
        raise _refusal(request, variable, text, f"Write for example {example}.") from None
    if value < least:
        unit = "" if read is parse_cpus else " Is the unit missing?"
        raise _refusal(
            request, variable, text, f"That is too little for a container.{unit} Write for example {example}."
        )
    return value


def _refusal(request: Request, variable: str, text: str, fix: str) -> JobError:
    return JobError(
        f"{variable} of job {request.job.name!r} is no limit that a container can have: {text[:40]!r}.", fix=fix
    )


def _at_most(request: Request, variable: str, wanted: int, most: int, words: Callable[[int], str]) -> int:
    if not most or wanted <= most:
        return wanted
    request.warn(
        f"{variable} asks for {words(wanted)}; this runner gives {words(most)} at most, so that is what it is."
    )
    return most


def _smallest(*values: int) -> int:
    """The smallest that is a bound at all; 0 where none is."""
    return min((value for value in values if value), default=0)


def _bytes(text: str) -> int:
    """As in `[runners.docker]`, and also as Kubernetes writes sizes: `3Gi`."""
    return parse_bytes(f"{text}b" if text.endswith(("i", "I")) else text)


def _size_words(size: int) -> str:
    return f"{size / MEBIBYTE:.0f} MiB" if size < 1024 * MEBIBYTE else f"{size / 1024 / MEBIBYTE:.1f} GiB"


def _cpu_words(nanos: int) -> str:
    return f"{nanos / NANOS:g} CPUs"
