"""Quantities in words: short enough for a column, with their unit. What is not known is `UNKNOWN`, never 0."""

from __future__ import annotations

UNKNOWN = "-"
STEP = 1024
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_MINUTE = 60
_HOUR = 3600


def size(count: float | None) -> str:
    """Bytes: `512 MiB`, `1.9 GiB`."""
    return UNKNOWN if count is None else f"{_number(count, _power(count))} {_UNITS[_power(count)]}"


def pair(first: float | None, second: float | None) -> str:
    """Two sizes, the unit said once where it is the same: `310 / 12 MiB`. One alone where the second is not known."""
    if first is None or second is None:
        return size(first)
    power = _power(first)
    same = power == _power(second)
    return f"{_number(first, power) if same else size(first)} / {size(second)}"


def cores(count: float | None) -> str:
    """CPUs: `1.4`."""
    return UNKNOWN if count is None else f"{count:.1f}" if count >= 0.1 or count == 0 else f"{count:.2f}"


def span(seconds: float | None) -> str:
    """A span of time: `0.02 s`, `8 s`, `6 m 02 s`, `1 h 04 m`."""
    if seconds is None:
        return UNKNOWN
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} m {whole % _MINUTE:02} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} m"


def percent(part: float | None, whole: float | None) -> str:
    """A share: `95 %`. Below one hundredth it is not rounded to none: `0.3 %`."""
    if part is None or not whole:
        return UNKNOWN
    share = 100 * part / whole
    return f"{share:.1f} %" if 0.05 <= share < 1 else f"{share:.0f} %"


def memory_setting(count: float) -> str:
    """Bytes as a limit is written: `3Gi` where it is a whole number of them, else `2432Mi`."""
    mebibytes = -(-int(count) // STEP**2)
    return f"{mebibytes // STEP}Gi" if mebibytes % STEP == 0 else f"{mebibytes}Mi"


def _power(count: float) -> int:
    power = 0
    while count >= 999.5 and power < len(_UNITS) - 1:
        count /= STEP
        power += 1
    return power


def _number(count: float, power: int) -> str:
    scaled: float = count / STEP**power
    return f"{scaled:.1f}" if 0 < scaled < 9.95 and power else f"{scaled:.0f}"
