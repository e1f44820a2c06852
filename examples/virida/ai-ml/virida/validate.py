"""Trains the model and lets it pass only where it predicts plots it has not seen: `python -m virida.validate FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

from virida.model import mean_absolute_error, train
from virida.plots import simulate

LARGEST_ERROR = 0.25


def main(path: Path) -> int:
    """Writes the model to `path`; 1 where its error on unseen plots is too large."""
    model = train(*simulate(5000, seed=1))
    error = mean_absolute_error(model, *simulate(1000, seed=2))
    print(f"mean absolute error {error:.3f} l/m2 (at most {LARGEST_ERROR})")
    model.save(path)
    return int(error > LARGEST_ERROR)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
