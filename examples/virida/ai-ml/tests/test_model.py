from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from virida.model import WaterModel, mean_absolute_error, train
from virida.plots import simulate

if TYPE_CHECKING:
    from pathlib import Path


def test_dry_plots_need_more_water() -> None:
    model = train(*simulate(2000, seed=3))
    dry, wet = model.predict(np.array([[0.1, 22.0, 0.6], [0.6, 22.0, 0.6]]))
    assert dry > wet + 2.0


def test_no_plot_needs_less_than_none() -> None:
    model = train(*simulate(2000, seed=3))
    assert model.predict(np.array([[1.0, 0.0, 0.0]])).item() == 0.0


def test_a_feature_that_never_changes_does_no_harm() -> None:
    measurements, litres = simulate(500, seed=4)
    measurements[:, 2] = 0.5
    assert mean_absolute_error(train(measurements, litres), measurements, litres) < 0.6


def test_a_saved_model_predicts_the_same(tmp_path: Path) -> None:
    measurements, litres = simulate(100, seed=5)
    model = train(measurements, litres)
    model.save(tmp_path / "model.json")
    again = WaterModel.load(tmp_path / "model.json")
    assert np.array_equal(again.predict(measurements), model.predict(measurements))
