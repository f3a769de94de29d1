"""Data of any size go through every transform and back, and fit into single precision on the way."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alternax.core.errors import InputError
from alternax.data import Sequences
from alternax.data.transforms import Chain, Log, MinMax, Scale, SeasonalAnomaly

ROWS = 12
TRANSFORMS = {
    "scale": Scale(),
    "scale by series": Scale("series"),
    "scale all": Scale("all"),
    "min-max": MinMax(),
    "anomaly": SeasonalAnomaly("weekday"),
    "anomaly, then scale": Chain([SeasonalAnomaly("weekday"), Scale()]),
    "log": Log(),
    "log, then scale": Chain([Log(), Scale()]),
}


@st.composite
def columns(draw):
    """One column: any size, any place, constant or not, with or without an outlier."""
    size, place = 10.0 ** draw(st.integers(-30, 30)), draw(st.sampled_from((0.0, 1.0, -1.0, 1e3, 1e8)))
    shape = draw(st.sampled_from(("varied", "constant", "rounding", "outlier")))
    noise = np.random.default_rng(draw(st.integers(0, 99))).normal(size=ROWS)
    if shape == "varied":
        return (noise + place) * min(size, 1e22)
    if shape == "outlier":
        return np.where(np.arange(ROWS) == 3, 1e6, noise) * min(size, 1e24)
    level = np.full(ROWS, (place or 1.0) * min(size, 1e22))
    return level if shape == "constant" else level * (1 + 1e-16 * noise)


@st.composite
def datasets(draw):
    """Two series of two columns with gaps; what is observed as NaN and numbers."""
    x = np.stack([np.stack([draw(columns()) for _ in range(2)], axis=-1) for _ in range(2)])
    gaps = np.random.default_rng(draw(st.integers(0, 99))).random(x.shape) < draw(st.sampled_from((0.0, 0.3)))
    gaps[:, 3] = False
    return np.where(gaps, np.nan, x)


@given(x=datasets(), name=st.sampled_from([*TRANSFORMS]))
def test_data_of_any_size_go_through_and_back(x, name):
    x = np.abs(x) if "log" in name else x
    data = Sequences.from_numpy(x, times=pd.date_range("2024-01-01", periods=ROWS))
    fitted = TRANSFORMS[name].fit(data)
    applied = fitted.apply(data)
    assert np.isfinite(np.asarray(applied.arrays(np.float32).x)).all()
    back = fitted.inverse(np.where(data.observed, applied.x, np.nan), data.times, data.schema.ids)
    np.testing.assert_array_equal(np.isfinite(back), data.observed)
    sizes = np.nanmax(np.abs(x), axis=(0, 1))
    assert (np.nan_to_num(np.abs(back - x)) <= 1e-12 * sizes).all()
    assert np.isfinite(fitted.log_jacobian(np.where(data.observed, x, 1.0), data.times, data.schema.ids)).all()


@given(
    columns=st.lists(columns(), min_size=1, max_size=3), name=st.sampled_from(["scale", "scale by series", "min-max"])
)
def test_scaled_data_are_of_size_one(columns, name):
    data = Sequences.from_numpy(np.stack(columns, axis=-1))
    y = TRANSFORMS[name].fit(data).apply(data).x
    assert np.abs(y).max() <= np.sqrt(ROWS)


@pytest.mark.parametrize("level", [0.1, 1e9 + 0.1, 1e22, 1e30, -1e30, 1e-30])
@pytest.mark.parametrize("transform", [Scale(), Scale("all"), MinMax(), SeasonalAnomaly(3)])
def test_a_constant_column_becomes_zero_to_the_last_bit(transform, level):
    data = Sequences.from_numpy(np.full((7, 1), level))
    fitted = transform.fit(data)
    assert not fitted.apply(data).x.any()
    np.testing.assert_array_equal(fitted.inverse(np.zeros((1, 7, 1)), data.times, data.schema.ids), data.x)


@pytest.mark.parametrize("where", ["x", "controls", "targets"])
def test_what_single_precision_cannot_hold_is_refused(where):
    parts = {"x": np.ones((3, 1)), "controls": np.ones((3, 1)), "targets": np.ones((3, 1))}
    parts[where] = np.array([[1.0], [-1e39], [2.0]])
    data = Sequences.from_numpy(parts.pop("x"), **parts)
    with pytest.raises(InputError, match=r"Column '.*0' holds 1e\+39, and float32 ends at 3.4e\+38: use a transform"):
        data.arrays(np.float32)
    if where == "x":
        assert np.isfinite(np.asarray(Scale().fit(data).apply(data).arrays(np.float32).x)).all()
