"""How long the job's containers stay for a look after it has failed: as the job asks, within the operator's bounds."""

from __future__ import annotations

from executor.settings.units import parse_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.plan.request import Request

VARIABLE = "VIRIDA_KEEP_ON_FAILURE"


def keep_seconds(request: Request) -> int:
    """Seconds, 0 for not at all. What a job asks for in vain is a warning, never a failure."""
    keep = request.settings.keep
    most = parse_duration(keep.max or keep.on_failure or "0")
    asked = request.host.variables.get(VARIABLE, "").strip()
    if not asked:
        return min(parse_duration(keep.on_failure or "0"), most)
    try:
        seconds = parse_duration(asked)
    except ValueError:
        request.warn(f'{VARIABLE} is not a span of time such as "30m" or "1h30m": nothing is kept.')
        return 0
    if seconds > most:
        request.warn(_refusal(keep.max or keep.on_failure, most))
    return min(seconds, most)


def _refusal(words: str, most: int) -> str:
    if most == 0:
        return f"{VARIABLE} is not allowed here: the operator sets `max` under [keep] in executor.toml."
    return f"{VARIABLE} is more than the {words} that the operator allows."
