"""Measurements to train on: simulated plots, the same ones for the same seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def simulate(count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(count, 3) measurements (humidity 0-1, degrees Celsius, light 0-1) and the (count,) litres they needed."""
    random = np.random.default_rng(seed)
    humidity = random.uniform(0.1, 0.7, count)
    temperature = random.normal(22.0, 4.0, count)
    light = np.clip(0.03 * temperature + random.normal(0.0, 0.15, count), 0.0, 1.0)
    litres = 4.0 - 5.0 * humidity + 0.12 * (temperature - 20.0) + 2.0 * light + random.normal(0.0, 0.2, count)
    return np.column_stack([humidity, temperature, light]), np.maximum(litres, 0.0)
