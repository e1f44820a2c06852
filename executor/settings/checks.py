"""Values of the right type that would only fail later, when a container is made: refused with the reason.

A check takes a value and returns what to say after `key = value`, or "".
"""

from __future__ import annotations

from executor.settings.units import parse_bytes, parse_cpus, parse_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from executor.settings.document import Document
    from executor.settings.lines import KeyPath

CACHE_MODES = ("auto", "archive")
PULL_POLICIES = ("always", "if-not-present", "never")
SMALLEST_MEMORY = 6 * 1024 * 1024
SMALLEST_FILE = 64 * 1024
SHORTEST_INTERVAL = 1
LONGEST_INTERVAL = 60
# What an address in [report] may hold in braces.
JOB_FACTS = ("job", "pipeline", "project", "project_id", "ref", "sha")
_LOG_OPTIONS = ("env", "labels")
_ULIMITS = frozenset(
    [
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ]
)


def check_values(checks: Checks, values: Mapping[str, Any], path: KeyPath, document: Document) -> None:
    """OperatorError for the first of a section's `values` that cannot work."""
    for key, value in values.items():
        complaint = checks[key](value) if key in checks and value not in ("", None) else ""
        if complaint:
            from executor.settings.explain import shown

            raise document.error((*path, key), f"{shown((*path, key), value)} {complaint}")


def check_docker(values: Mapping[str, Any], path: KeyPath, document: Document) -> None:
    """The checks of `[runners.docker]`, with those that compare several of its keys."""
    check_values(DOCKER, values, path, document)
    for prefix in ("", "service_"):
        key, complaint = _memory_contradiction(values, prefix)
        if complaint:
            raise document.error((*path, key), complaint)
    for index, service in enumerate(values["services"]):
        if not service.name:
            raise document.error((*path, "services", index), "a service needs a name: its image.")


def _memory_contradiction(values: Mapping[str, Any], prefix: str) -> tuple[str, str]:
    """The key to change and why; the engine refuses such a container."""
    memory, swap, reservation = (
        parse_bytes(values.get(f"{prefix}memory{suffix}") or "0") for suffix in ("", "_swap", "_reservation")
    )
    name = f"{prefix}memory"
    if swap and not memory:
        return f"{name}_swap", f"{name}_swap has no meaning without {name}. Set {name} too."
    if swap and swap < memory:
        return f"{name}_swap", f"{name}_swap is memory and swap together: it must be {name} or more."
    if memory and reservation > memory:
        return f"{name}_reservation", f"{name}_reservation is larger than {name}. Lower it."
    return "", ""


def _size(value: str) -> str:
    try:
        parse_bytes(value)
    except ValueError:
        return 'is not a size. Write a number with b, k, m or g, such as "2g".'
    return ""


def _memory(value: str) -> str:
    complaint = _size(value)
    if not complaint and 0 < parse_bytes(value) < SMALLEST_MEMORY:
        return 'is less than a container needs (6m). Is the unit missing? Write for example "2g".'
    return complaint


def _file_size(value: str) -> str:
    complaint = _size(value)
    return complaint or ("is less than 64k." if parse_bytes(value) < SMALLEST_FILE else "")


def _cpus(value: str) -> str:
    try:
        parse_cpus(value)
    except ValueError:
        return 'is not a number of CPUs. Write for example "1.5".'
    return ""


def _duration(value: str) -> str:
    try:
        parse_duration(value)
    except ValueError:
        return 'is not a span of time. Write for example "30m", "1h30m" or "2d".'
    return ""


def _interval(value: str) -> str:
    complaint = _duration(value)
    if not complaint and not SHORTEST_INTERVAL <= parse_duration(value) <= LONGEST_INTERVAL:
        return 'must be from "1s" to "60s".'
    return complaint


def _pull_policies(values: tuple[str, ...]) -> str:
    wrong = [value for value in values if value not in PULL_POLICIES]
    return f"holds {wrong[0]!r}, which is no pull policy. Use {', '.join(PULL_POLICIES)}." if wrong else ""


def _cache_mode(value: str) -> str:
    return "" if value in CACHE_MODES else f"is no way to keep caches. Use {' or '.join(CACHE_MODES)}."


def _addresses(values: tuple[str, ...]) -> str:
    wrong = [value for value in values if not _is_address(value)]
    return f"holds {wrong[0]!r}, which is no IP address." if wrong else ""


def _is_address(value: str) -> bool:
    """The plain form is decided here: loading `ipaddress` takes longer than all other checks together."""
    parts = value.split(".")
    if len(parts) == 4 and all(part.isdecimal() and str(int(part)) == part and int(part) < 256 for part in parts):
        return True
    from ipaddress import ip_address

    try:
        return bool(ip_address(value))
    except ValueError:
        return False


def _ulimits(values: Mapping[str, str]) -> str:
    for name, limits in values.items():
        if name not in _ULIMITS:
            return f"holds {name!r}, which is no limit. Known are {', '.join(sorted(_ULIMITS))}."
        if not _is_ulimit(limits):
            return f'holds {name} = "{limits}". Write "soft" or "soft:hard" in whole numbers, soft not above hard.'
    return ""


def _is_ulimit(limits: str) -> bool:
    """-1 is unlimited."""
    try:
        soft, hard = (int(limit) for limit in (limits.split(":") if ":" in limits else (limits, limits)))
    except ValueError:
        return False
    return hard == -1 or -1 < soft <= hard


def _extra_hosts(values: tuple[str, ...]) -> str:
    wrong = [value for value in values if not all(part.strip() for part in value.partition(":"))]
    return f'holds {wrong[0]!r}. Write "name:address".' if wrong else ""


def _log_options(values: Mapping[str, str]) -> str:
    wrong = sorted(set(values) - set(_LOG_OPTIONS))
    return f"holds {wrong[0]!r}: only {' and '.join(_LOG_OPTIONS)} are allowed." if wrong else ""


def _cpu_set(value: str) -> str:
    return "" if set(value) <= set("0123456789,-") else 'is no list of CPUs. Write for example "0-3,6".'


def _host(value: str) -> str:
    return "" if "://" in value else 'is no address of an engine. Write for example "unix:///var/run/docker.sock".'


def _mount_points(values: Mapping[str, str]) -> str:
    wrong = [path for path in values if not path.startswith("/")]
    return f"holds {wrong[0]!r}, which is no absolute path." if wrong else ""


def _absolute(value: str) -> str:
    return "" if value.startswith("/") else "must be an absolute path."


def _not_negative(value: int) -> str:
    return "must not be negative." if value < 0 else ""


def _positive(value: int) -> str:
    return "" if value > 0 else "must be 1 or more."


def _web_address(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        return 'is no web address. Write for example "https://grafana.example.com/d/ci?var-job={job}".'
    unknown = [part.partition("}")[0] for part in value.split("{")[1:] if part.partition("}")[0] not in JOB_FACTS]
    return f"holds {{{unknown[0]}}}. Known are {', '.join(f'{{{name}}}' for name in JOB_FACTS)}." if unknown else ""


def _oom_score(value: int) -> str:
    return "" if -1000 <= value <= 1000 else "must be from -1000 to 1000."


def _helper_volumes(values: tuple[str, ...]) -> str:
    wrong = [value for value in values if not (value.startswith("/") and ":/" in value)]
    return f'holds {wrong[0]!r}. Write "/source:/target" or "/source:/target:ro".' if wrong else ""


if TYPE_CHECKING:
    Checks = Mapping[str, Callable[[Any], str]]

DOCKER: Checks = {
    "host": _host,
    "pull_policy": _pull_policies,
    "allowed_pull_policies": _pull_policies,
    "memory": _memory,
    "memory_swap": _size,
    "memory_reservation": _size,
    "cpus": _cpus,
    "cpuset_cpus": _cpu_set,
    "cpuset_mems": _cpu_set,
    "shm_size": _not_negative,
    "oom_score_adjust": _oom_score,
    "service_memory": _memory,
    "service_memory_swap": _size,
    "service_memory_reservation": _size,
    "service_cpus": _cpus,
    "service_cpuset_cpus": _cpu_set,
    "ulimit": _ulimits,
    "dns": _addresses,
    "extra_hosts": _extra_hosts,
    "network_mtu": _not_negative,
    "tmpfs": _mount_points,
    "services_tmpfs": _mount_points,
    "log_options": _log_options,
}

RUNNER: Checks = {"builds_dir": _absolute, "cache_dir": _absolute}

EXECUTOR: Mapping[str, Checks] = {
    "helper": {"gitlab_runner": _absolute, "volumes": _helper_volumes},
    "storage": {"state_dir": _absolute, "builds_dir": _absolute, "cache_dir": _absolute},
    "audit": {"file": _absolute, "max_size": _file_size},
    "policy": {"max_memory": _memory, "max_cpus": _cpus},
    "keep": {"on_failure": _duration, "max": _duration},
    "cache": {
        "mode": _cache_mode,
        "store": _absolute,
        "quota": _size,
        "max_age": _duration,
        "bucket_expiry": _duration,
    },
    "images": {"quota": _size},
    "usage": {"interval": _interval},
    "limits": {"max_memory": _memory, "max_cpus": _cpus},
    "history": {"keep": _duration, "runs": _positive},
    "report": {
        "url": _web_address,
        "token_file": _absolute,
        "cpu_price": _not_negative,
        "memory_gib_price": _not_negative,
    },
}
