"""Quantities of comparisons in words, beside those of `usage.words`."""

from __future__ import annotations

from executor.usage.words import UNKNOWN as UNKNOWN
from executor.usage.words import cores as cores
from executor.usage.words import memory_setting as memory_setting
from executor.usage.words import pair as pair
from executor.usage.words import percent as percent
from executor.usage.words import size as size
from executor.usage.words import span as span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.usage.comparison import Suggestion


def change(value: float, median: float) -> str:
    """The difference from what is usual: `+38 %`; `±0 %` in ASCII is `0 %`."""
    if not median:
        return UNKNOWN
    difference = round(100 * (value - median) / median)
    return f"{difference:+} %" if difference else "0 %"


def setting(suggestion: Suggestion) -> str:
    """The suggestion as the line of `.gitlab-ci.yml` that makes it true: `JOB_MEMORY: "3Gi"`."""
    if suggestion.resource == "memory":
        return f'JOB_MEMORY: "{memory_setting(suggestion.value)}"'
    return f'JOB_CPUS: "{suggestion.value:g}"'
