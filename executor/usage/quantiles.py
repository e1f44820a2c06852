"""The use that a container stays below for 95 % of its time, from its curves."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from executor.usage.model import Series

SHARE = 0.95


def cpu_p95(series: Iterable[Series], container: str) -> float | None:
    """Cores, of the means of the curve's points: they stand for some seconds each. None without a curve."""
    curve = _curve(series, container, "cores")
    return quantile(curve.means, SHARE) if curve else None


def memory_p95(series: Iterable[Series], container: str) -> int | None:
    """Bytes, of the highest values of the curve's points. None without a curve."""
    curve = _curve(series, container, "bytes")
    return int(quantile(curve.highs, SHARE)) if curve else None


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` (at least one) that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]


def _curve(series: Iterable[Series], container: str, unit: str) -> Series | None:
    return next((one for one in series if one.container == container and one.unit == unit and one.highs), None)
