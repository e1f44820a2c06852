"""One quantity over a job's time in a bounded number of points, whatever the time: spikes stay visible in them."""

from __future__ import annotations

MOST_POINTS = 240
FIRST_WIDTH = 0.1


class Curve:
    """Values by time. Points are `width` seconds wide; when there are too many, two become one."""

    def __init__(self) -> None:
        self.width = FIRST_WIDTH
        self._points: list[list[float]] = []

    def add(self, offset: float, value: float, seconds: float) -> None:
        """Note that `value` held for the `seconds` before `offset`, which never goes back."""
        while offset // self.width >= MOST_POINTS:
            self._halve()
        index = offset // self.width
        if not self._points or self._points[-1][0] != index:
            self._points.append([index, 0.0, 0.0, value])
        point = self._points[-1]
        weight = max(seconds, 1e-6)
        point[1] += weight
        point[2] += weight * value
        point[3] = max(point[3], value)

    def as_lists(self) -> list[list[float]]:
        """Offset of the point's begin, mean by time, maximum: a list for each."""
        return [
            [round(index * self.width, 1) for index, *_ in self._points],
            [round(total / weight, 4) for _, weight, total, _ in self._points],
            [round(high, 4) for *_, high in self._points],
        ]

    def _halve(self) -> None:
        self.width *= 2
        merged: list[list[float]] = []
        for index, weight, total, high in self._points:
            half = index // 2
            if merged and merged[-1][0] == half:
                last = merged[-1]
                last[1:] = [last[1] + weight, last[2] + total, max(last[3], high)]
            else:
                merged.append([half, weight, total, high])
        self._points = merged
