"""Whether a job got slower or larger: its last runs against the median of good ones on the default branch.

Robust on purpose: a mean with its deviation is moved by the very outliers that it should find. One run never tells
enough, two of three do; with fewer than LEAST runs to compare with nothing is said at all.
"""

from __future__ import annotations

from executor.usage.comparison import CPU, MEMORY, NOISY, REGRESSION, TIME, Change, Comparison

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from executor.usage.history.model import Run

NEWEST = 20
LEAST = 8
LAST = 3
OF_LAST = 2
# Makes the median absolute deviation comparable to a standard deviation.
SCALE = 1.4826
DEVIATIONS = 3.5
LEAST_DEVIATION = 0.05
FACTOR = 1.25
# A run within this of the median is as usual again.
STILL = 1.1
UNEVEN = 0.2
COLD = "miss"
# Less more than this is nobody's worry: seconds, core seconds, bytes.
FLOORS = {TIME: 30.0, CPU: 10.0, MEMORY: 128.0 * 1024**2}


def compared(run: Run, earlier: Sequence[Run]) -> Comparison:
    """`run` against `earlier` runs of the same job, newest first. Only good runs are judged, or judged by."""
    good = [one for one in earlier if one.good]
    of_branch = [one for one in good if one.ref == run.ref][: LAST - 1]
    of_default = [one for one in good if one.on_default_branch and one not in of_branch][:NEWEST]
    changes = [_change(quantity, run, of_branch, of_default) for quantity in (TIME, CPU, MEMORY)]
    known = tuple(change for change in changes if change)
    if not known:
        return Comparison()
    return Comparison(branch=of_default[0].ref, runs=len(of_default), changes=known)


def judge(last: Sequence[float], baseline: Sequence[float], floor: float) -> str:
    """REGRESSION, NOISY or "" for the newest of `last` (up to three values, newest first) against `baseline`.

    A run that is as usual again (see STILL) is not blamed for the two before it.
    """
    middle = _median(baseline)
    deviation = _median([abs(value - middle) for value in baseline])
    if middle > 0 and deviation / middle > UNEVEN:
        return NOISY if last[0] > FACTOR * middle else ""
    deviation = max(SCALE * deviation, LEAST_DEVIATION * middle)
    bound = max(middle + DEVIATIONS * deviation, FACTOR * middle, middle + floor)
    over = sum(value > bound for value in last[:LAST])
    return REGRESSION if over >= OF_LAST and last[0] > STILL * middle else ""


def _change(quantity: str, run: Run, of_branch: Sequence[Run], of_default: Sequence[Run]) -> Change | None:
    """None where the quantity is unknown, or too few runs are known of it."""
    value = _VALUES[quantity](run)
    baseline = _known(quantity, of_default)
    if value is None or len(baseline) < LEAST:
        return None
    last = [value, *_known(quantity, of_branch)]
    judgement = judge(last, baseline, FLOORS[quantity]) if run.good else ""
    return Change(quantity=quantity, value=value, median=_median(baseline), judgement=judgement)


def _known(quantity: str, runs: Sequence[Run]) -> list[float]:
    values = [_VALUES[quantity](run) for run in runs]
    return [value for value in values if value is not None]


def _warm_seconds(run: Run) -> float | None:
    """The time of a job with its cache: without, it is another job."""
    return None if run.cache == COLD else run.seconds


def _memory(run: Run) -> float | None:
    """What its processes held; with page cache, a job's memory is only as large as its limit lets it be."""
    return run.memory_working_set_peak if run.memory_anon_peak is None else run.memory_anon_peak


_VALUES: dict[str, Callable[[Run], float | None]] = {
    TIME: _warm_seconds,
    CPU: lambda run: run.cpu_seconds,
    MEMORY: _memory,
}


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
