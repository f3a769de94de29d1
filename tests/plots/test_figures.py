import sys

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from alternax.core.errors import InputError
from alternax.plots import calibration, fan_chart, map_grid, skill_curve
from alternax.plots.style import COLOURS

RNG = np.random.default_rng(0)


def line(axes, label):
    (found,) = [one for one in axes.get_lines() if one.get_label() == label]
    return found


def shade(axes, label):
    """Times, lower and upper edge of a filled band."""
    (found,) = [one for one in axes.collections if one.get_label() == label]
    corners = found.get_paths()[0].vertices
    at = np.unique(corners[:, 0])
    edges = [corners[corners[:, 0] == t, 1] for t in at]
    return at, np.array([e.min() for e in edges]), np.array([e.max() for e in edges])


def test_fan_chart_draws_median_intervals_truth_and_past():
    times, samples, truth = np.arange(10.0, 16.0), RNG.normal(size=(50, 6, 2)), RNG.normal(size=(6, 2))
    past = np.arange(5.0, 10.0), RNG.normal(size=(5, 2))
    past[1][-1, 1] = np.nan
    figure = fan_chart(times, samples, ["a", "b"], past=past, truth=truth, levels=(0.9, 0.5), unit="°C")
    assert isinstance(figure, Figure)
    for i, axes in enumerate(figure.axes):
        known = i == 0  # the last past row of b is missing: its fan starts at the first row ahead
        at = np.concatenate([past[0][-1:], times]) if known else times
        median = np.median(samples[..., i], axis=0)
        first = past[1][-1:, i] if known else []
        np.testing.assert_allclose(line(axes, "median").get_data(), [at, [*first, *median]])
        np.testing.assert_array_equal(line(axes, "observed").get_data(), [times, truth[:, i]])
        np.testing.assert_array_equal(line(axes, "past").get_data(), [past[0], past[1][:, i]])
        for level in (0.5, 0.9):
            drawn, low, high = shade(axes, f"{100 * level:g} % interval")
            ends = np.quantile(samples[..., i], [(1 - level) / 2, (1 + level) / 2], axis=0)
            np.testing.assert_array_equal(drawn, at)
            np.testing.assert_allclose([low[known:], high[known:]], ends)
        assert axes.get_title(loc="left") == "ab"[i]
        assert axes.get_ylabel() == "°C"


def test_fan_chart_labels_dates_as_dates():
    times = np.arange("2020-01", "2020-07", dtype="datetime64[M]")
    figure = fan_chart(times, RNG.normal(size=(9, 6, 1)), ["x"])
    figure.canvas.draw()
    texts = {tick.get_text() for tick in figure.axes[0].get_xticklabels()}
    assert "2020" in texts and "Mar" in texts


def test_fan_chart_draws_single_paths_on_request():
    samples = RNG.normal(size=(9, 6, 1))
    axes = fan_chart(np.arange(6), samples, ["x"], paths=3).axes[0]
    drawn = [one.get_ydata() for one in axes.get_lines() if one.get_label().startswith("_")]
    np.testing.assert_array_equal(drawn, samples[:3, :, 0])


@pytest.mark.parametrize("levels", [(), (0.0, 0.5), (0.5, 1.0), (0.2, 0.4, 0.6, 0.8)])
def test_fan_chart_refuses_levels_that_are_no_probabilities(levels):
    with pytest.raises(InputError, match="levels must be one to three probabilities"):
        fan_chart(np.arange(6), np.zeros((9, 6, 1)), ["x"], levels=levels)


def test_skill_curve_draws_each_score_and_keeps_a_models_colour():
    scores = {
        "RMSE": {"ours": np.array([0.1, 0.2]), "theirs": np.array([0.3, 0.4])},
        "SSR": {"theirs": np.array([1, 2])},
    }
    figure = skill_curve([1, 2], scores, targets={"SSR": 1.0}, lead_label="lead, months")
    for axes, (name, models) in zip(figure.axes, scores.items(), strict=True):
        assert axes.get_title(loc="left") == name
        assert axes.get_xlabel() == "lead, months"
        for model, values in models.items():
            np.testing.assert_array_equal(line(axes, model).get_data(), [[1, 2], values])
            assert to_hex(line(axes, model).get_color()) == COLOURS[["ours", "theirs"].index(model)]
    dashed = [one for one in figure.axes[1].get_lines() if one.get_linestyle() == "--"]
    assert [list(one.get_ydata()) for one in dashed] == [[1.0, 1.0]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ours", "theirs"]


def test_map_grid_draws_fields_with_land_masked_on_one_scale():
    lat, lon = np.array([-5.0, 0.0, 5.0]), np.array([170.0, 180.0, 190.0, 200.0])
    fields = {"a": RNG.normal(size=(3, 4)), "b": RNG.normal(size=(3, 4))}
    fields["a"][0, 1] = np.nan
    figure = map_grid(fields, lat, lon, label="°C", diverging=True)
    figure.canvas.draw()
    largest = max(np.nanmax(np.abs(field)) for field in fields.values())
    for axes, (name, field) in zip(figure.axes, fields.items(), strict=False):
        (mesh,) = [one for one in axes.collections if isinstance(one, QuadMesh)]
        values = mesh.get_array()
        np.testing.assert_array_equal(np.ma.getmaskarray(values).reshape(3, 4), np.isnan(field))
        np.testing.assert_array_equal(values.filled(np.nan).reshape(3, 4), field)
        assert mesh.get_clim() == (-largest, largest)
        assert axes.get_title(loc="left") == name
    assert "170°W" in [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert figure.axes[-1].get_xlabel() == "°C"


def test_map_grid_refuses_fields_without_any_value():
    with pytest.raises(InputError, match="all cells of a are missing"):
        map_grid({"a": np.full((2, 2), np.nan)}, np.arange(2.0), np.arange(2.0))


def test_figures_leave_no_pyplot_state():
    calibration([0.5], {"x": np.array([0.5])})
    fan_chart(np.arange(6), np.zeros((9, 6, 1)), ["x"])
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []
