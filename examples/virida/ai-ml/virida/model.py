"""How much water a plot needs: a ridge regression over what its sensors measure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FEATURES = ("soil_humidity", "temperature", "light")


@dataclass(frozen=True)
class WaterModel:
    """Weights over standardised features; predictions in litres per square metre and day."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: float

    def predict(self, measurements: NDArray[np.float64]) -> NDArray[np.float64]:
        """Litres for each row of (n, 3) measurements; a plot never needs less than none."""
        standardised = (np.atleast_2d(measurements) - self.mean) / self.scale
        return np.maximum(standardised @ self.weights + self.bias, 0.0)

    def save(self, path: Path) -> None:
        """Writes the model as JSON."""
        fields = {"mean": self.mean, "scale": self.scale, "weights": self.weights}
        path.write_text(json.dumps({name: array.tolist() for name, array in fields.items()} | {"bias": self.bias}))

    @classmethod
    def load(cls, path: Path) -> WaterModel:
        """Reads what `save` wrote."""
        fields = json.loads(path.read_text())
        return cls(*(np.asarray(fields[name]) for name in ("mean", "scale", "weights")), bias=fields["bias"])


def train(measurements: NDArray[np.float64], litres: NDArray[np.float64], ridge: float = 1e-3) -> WaterModel:
    """Fits (n, 3) measurements to (n,) litres; `ridge` keeps weights small where features agree."""
    mean, scale = measurements.mean(axis=0), measurements.std(axis=0)
    scale[scale == 0.0] = 1.0
    standardised = (measurements - mean) / scale
    bias = float(litres.mean())
    gram = standardised.T @ standardised + ridge * len(litres) * np.eye(measurements.shape[1])
    weights = np.linalg.solve(gram, standardised.T @ (litres - bias))
    return WaterModel(mean, scale, weights, bias)


def mean_absolute_error(model: WaterModel, measurements: NDArray[np.float64], litres: NDArray[np.float64]) -> float:
    """Litres per square metre and day that the model is wrong on average."""
    return float(np.abs(model.predict(measurements) - litres).mean())
