"""Curves of a job for the page: lines in SVG that stretch to any width, words beside them that do not."""

from __future__ import annotations

from executor.report.escaping import escaped
from executor.report.section import build_container, stage_word
from executor.report.words import cores, size, span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.usage.model import Series, Usage

# The drawing's own units.
WIDTH = 1000.0
HEIGHT = 100.0
COLOURS = 6
TITLES = (("bytes", "Memory"), ("cores", "CPU"), ("bytes/s", "Disk and network"))
HEADROOM = 1.08
# A limit further away than this would press the curves to the ground: it is named in the title alone.
NEAR_LIMIT = 2.5
# Shares of the width, in percent: below, a stage's name has no place, or none on a phone.
NARROWEST_NAME = 6.0
SMALL_NAME = 22.0
NARROWEST_STAGE = 0.15


def charts(usage: Usage) -> list[str]:
    """One card for each unit that anything was measured in."""
    found = []
    for unit, title in TITLES:
        series = [one for one in usage.series if one.unit == unit and one.offsets and any(one.highs)]
        if series:
            found.append(_chart(usage, title, series))
    return found


def _chart(usage: Usage, title: str, series: list[Series]) -> str:
    length = max(usage.seconds, *(one.offsets[-1] for one in series), 0.001)
    highest = max(max(one.highs) for one in series)
    limit = _limit(usage, series[0].unit)
    near = limit if limit and limit <= NEAR_LIMIT * highest else None
    top = max(highest, near or 0) * HEADROOM or 1.0
    words = f"{title}: up to {_words(series[0].unit, highest)}"
    if limit:
        words += f", limit of the build container {_words(series[0].unit, limit)}"
    lines = "".join(_curve(one, number, length, top) for number, one in enumerate(series))
    return (
        f'<section class="card"><h2>{escaped(words)}</h2><div class="plot">{_stages(usage, length)}'
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" preserveAspectRatio="none" role="img" aria-label="{escaped(words)}">'
        f"{_grid(top, highest)}{lines}{_limit_line(near, top)}</svg>{_marks(series[0].unit, top, highest)}"
        f"{_limit_name(near, top)}</div>"
        f'<div class="times"><span>0</span><span>{escaped(span(length / 2))}</span><span>{escaped(span(length))}</span>'
        f"</div>{_legend(series)}</section>"
    )


def _limit(usage: Usage, unit: str) -> float | None:
    build = build_container(usage)
    if build is None:
        return None
    return {"bytes": build.limits.memory, "cores": build.limits.cpus}.get(unit)


def _words(unit: str, value: float) -> str:
    if unit == "cores":
        return f"{cores(value)} CPUs"
    return f"{size(value)}/s" if unit == "bytes/s" else size(value)


def _curve(series: Series, number: int, length: float, top: float) -> str:
    """The means as a line, and a shade up to the highest values of the same times: of the first from the ground."""
    colour = number % COLOURS
    means = _points(series.offsets, series.means, length, top)
    highs = _points(series.offsets, series.highs, length, top)
    grounds = [f"{_x(offset, length)},{HEIGHT:g}" for offset in (series.offsets[-1], series.offsets[0])]
    lower = " ".join(grounds if number == 0 else reversed(means.split()))
    name = f"<title>{escaped(f'{series.container} {series.quantity}')}</title>"
    return (
        f'<polygon class="f{colour}" points="{highs} {lower}"/>'
        f'<polyline class="c{colour}" points="{means}">{name}</polyline>'
    )


def _points(offsets: tuple[float, ...], values: tuple[float, ...], length: float, top: float) -> str:
    return " ".join(f"{_x(offset, length)},{_y(value, top)}" for offset, value in zip(offsets, values, strict=False))


def _x(offset: float, length: float) -> str:
    return f"{min(max(offset / length, 0.0), 1.0) * WIDTH:.1f}"


def _y(value: float, top: float) -> str:
    return f"{HEIGHT - min(max(value / top, 0.0), 1.0) * HEIGHT:.2f}"


def _levels(highest: float) -> tuple[float, ...]:
    return (highest, highest / 2)


def _grid(top: float, highest: float) -> str:
    return "".join(
        f'<line class="grid" x1="0" x2="{WIDTH:g}" y1="{_y(level, top)}" y2="{_y(level, top)}"/>'
        for level in _levels(highest)
    )


def _marks(unit: str, top: float, highest: float) -> str:
    marks = [(level, _words(unit, level).removesuffix(" CPUs")) for level in _levels(highest)] + [(0.0, "0")]
    return "".join(
        f'<span class="mark" style="top:{_y(level, top)}%">{escaped(words)}</span>' for level, words in marks
    )


def _limit_line(limit: float | None, top: float) -> str:
    return f'<line class="limit" x1="0" x2="{WIDTH:g}" y1="{_y(limit, top)}" y2="{_y(limit, top)}"/>' if limit else ""


def _limit_name(limit: float | None, top: float) -> str:
    return f'<span class="limit-name" style="top:{_y(limit, top)}%">limit</span>' if limit else ""


def _stages(usage: Usage, length: float) -> str:
    """Shades behind the curves, every second one darker, named where there is room."""
    found = []
    stages = [stage for stage in usage.stages if 100 * stage.seconds / length >= NARROWEST_STAGE]
    for number, stage in enumerate(stages):
        left = min(max(100 * (stage.began - usage.began) / length, 0.0), 100.0)
        width = min(100 * stage.seconds / length, 100 - left)
        place = f'style="left:{left:.2f}%;width:{width:.2f}%"'
        words = escaped(f"{stage_word(stage.name)} {span(stage.seconds)}")
        found.append(f'<div class="stage{" odd" if number % 2 else ""}" {place} title="{words}"></div>')
        if width >= NARROWEST_NAME:
            small = " small" if width < SMALL_NAME else ""
            found.append(f'<span class="stage-name{small}" {place}>{escaped(stage_word(stage.name))}</span>')
    return "".join(found)


def _legend(series: list[Series]) -> str:
    entries = (
        f'<span><i class="f{number % COLOURS}"></i>{escaped(f"{one.container} {one.quantity}")}</span>'
        for number, one in enumerate(series)
    )
    return f'<div class="legend">{"".join(entries)}</div>'
