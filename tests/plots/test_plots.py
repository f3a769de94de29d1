"""Figures hold the numbers they were given and touch no global state."""

import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from alternax.core.errors import InputError
from alternax.plots import calibration, fan_chart, map_grid, skill_curve

RNG = np.random.default_rng(0)
MONTHS = np.arange("2020-01", "2020-07", dtype="datetime64[M]").astype("datetime64[ns]")
SAMPLES = RNG.normal(size=(50, 6, 2))


def lines(axes):
    return {line.get_label(): line for line in axes.lines}


def drawn(figure: Figure) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=40)
    return data.getvalue()


def test_fan_starts_from_the_last_known_value_and_shades_its_quantiles():
    past = MONTHS[:2] - np.timedelta64(62, "D"), np.array([[1.0, np.nan], [2.0, np.nan]])
    figure = fan_chart(MONTHS, SAMPLES, ["a", "b"], past=past, truth=SAMPLES[0], levels=(0.8,))
    known, unknown = figure.axes
    np.testing.assert_allclose(lines(known)["median"].get_ydata(), [2.0, *np.median(SAMPLES[..., 0], axis=0)])
    np.testing.assert_allclose(lines(unknown)["median"].get_ydata(), np.median(SAMPLES[..., 1], axis=0))
    band = unknown.collections[0].get_paths()[0].vertices[:, 1]
    low, high = np.quantile(SAMPLES[..., 1], [0.1, 0.9], axis=0)
    assert band.min() == pytest.approx(low.min()) and band.max() == pytest.approx(high.max())
    assert drawn(figure)


def test_map_leaves_land_out_and_centres_diverging_colours():
    field = np.array([[1.0, np.nan], [-3.0, 2.0]])
    figure = map_grid({"change": field}, np.array([-10.0, 0.0]), np.array([170.0, 190.0]), diverging=True, label="K")
    mesh = figure.axes[0].collections[0]
    assert mesh.get_clim() == (-3.0, 3.0)
    np.testing.assert_array_equal(np.ma.getmaskarray(mesh.get_array()).reshape(2, 2), np.isnan(field))
    assert drawn(figure)
    axis = figure.axes[0]
    assert [axis.xaxis.get_major_formatter()(d) for d in (0, 170, 190, 350)] == ["0°", "170°E", "170°W", "10°W"]
    assert [axis.yaxis.get_major_formatter()(d) for d in (-10, 0, 5)] == ["10°S", "0°", "5°N"]


def test_skill_curve_keeps_a_models_colour_in_all_panels():
    one, two = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    figure = skill_curve([1, 2], {"RMSE": {"a": one, "b": two}, "SSR": {"b": one}}, targets={"SSR": 1.0})
    first, second = figure.axes
    np.testing.assert_array_equal(lines(first)["b"].get_ydata(), two)
    assert lines(first)["b"].get_color() == lines(second)["b"].get_color() != lines(first)["a"].get_color()
    assert drawn(figure)


def test_calibration_draws_coverage_by_level():
    figure = calibration([0.5, 0.9], {"model": np.array([0.4, 0.8])})
    np.testing.assert_array_equal(lines(figure.axes[0])["model"].get_ydata(), [0.4, 0.8])
    assert drawn(figure)


def test_drawing_imports_neither_pyplot_nor_a_backend_with_windows():
    code = (
        "import sys, io, numpy as np\nfrom alternax.plots import fan_chart\nassert 'matplotlib' not in sys.modules\n"
        "fan_chart(np.arange(3.0), np.zeros((4, 3, 1)), ['x']).savefig(io.BytesIO(), format='png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_figures_without_content_are_refused():
    with pytest.raises(InputError, match=r"levels must be one to three probabilities .* found \[90\.0\]"):
        fan_chart(MONTHS, SAMPLES, ["a", "b"], levels=[90.0])
    with pytest.raises(InputError, match="all cells of land are missing"):
        map_grid({"land": np.full((2, 2), np.nan)}, np.arange(2.0), np.arange(2.0))
