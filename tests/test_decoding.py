"""Targets decoded by a trained model: bands that hold, and units that were silent in training."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from trained import untrained
from untyped import untyped

import alternax as ax
from alternax.core.errors import InputError
from alternax.fit.windows import training_windows
from alternax.nets.blind import blind_to
from alternax.nets.noise import Noise
from alternax.nets.target_scale import target_scale

ROWS, SILENT = 400, 2
SETTINGS = {"steps": 60, "every": 60, "batch": 8, "window": 40, "learning_rate": 3e-2, "valid": None}
SIZES = {"target_dim": 1, "width": 6, "depth": 1, "key": jax.random.key(0)}
MODELS = {
    "alternator": lambda: ax.Alternator(3, latent_dim=3, ftn="mlp", otn="affine", target_noise="state", **SIZES),
    "autoregressive": lambda: ax.Autoregressive(3, body="lru", **SIZES),
    "families": lambda: ax.Alternator(
        3, latent_dim=3, noise=ax.families.of(recording(0)), ftn="lru", otn="affine", **SIZES
    ),
    "alternator++": lambda: ax.AlternatorPlusPlus(3, latent_dim=3, ftn="lru", otn="affine", **SIZES),
}
each = pytest.mark.parametrize(
    "name", ["alternator", *(pytest.param(name, marks=pytest.mark.slow) for name in list(MODELS)[1:])]
)


def recording(seed: int, firing: float = 0.0) -> ax.Sequences:
    """Two units that follow a wave, of an error that grows with it, and a third that is silent but for `firing`."""
    rng = np.random.default_rng(seed)
    wave = np.sin(np.arange(ROWS) / 9 + seed)
    x = np.stack([wave, wave**2, np.zeros(ROWS)], 1)
    x[:, :2] += 0.1 * rng.normal(size=(ROWS, 2))
    x[100:150, SILENT] = firing
    return ax.Sequences.from_numpy(x, targets=(50 + 10 * wave + (1.5 + wave) * rng.normal(size=ROWS))[:, None])


@cache
def decoder(name: str) -> ax.Fitted:
    return ax.fit(MODELS[name](), recording(0), objective=ax.Supervised(), **SETTINGS)


@each
@pytest.mark.parametrize("firing", [1.0, 1e6])
def test_a_unit_silent_in_training_says_nothing_when_it_fires(name, firing):
    """Regression: the weights of a column that never varied kept the random numbers they started with."""
    quiet, loud = (decoder(name).decode(recording(1, fires)) for fires in (0.0, firing))
    np.testing.assert_array_equal(loud.mean, quiet.mean)
    np.testing.assert_array_equal(loud.std, quiet.std)
    truth = recording(1).targets[0]
    assert np.mean((loud.mean - truth) ** 2) < 0.3 * truth.var()
    low, high = recording(0).targets.min(), recording(0).targets.max()
    assert low - 0.1 * (high - low) < loud.mean.min() and loud.mean.max() < high + 0.1 * (high - low)


def test_columns_that_vary_keep_their_weights():
    families = ax.families.ColumnLaws([ax.families.Normal(), ax.families.Categorical(2), ax.families.Normal()])
    plain, linear = Noise("learned", 3, 0.3, 1, None, jax.random.key(0)), eqx.nn.Linear(9, 2, key=jax.random.key(1))
    # Real columns are shown before the categories, of which there are the two and one for all others.
    for law, column, shown in ((plain, 2, [2]), (families, 2, [1]), (families, 1, [2, 3, 4])):
        weight = blind_to(np.arange(3) == column, linear, law, None).weight
        np.testing.assert_array_equal(weight, np.where(np.isin(np.arange(9), shown), 0.0, linear.weight))


def test_a_unit_that_fires_only_in_rows_that_are_held_out_or_missing_is_silent_in_training():
    data = recording(0)
    data.x[0, -20:, SILENT], data.x[0, 5, SILENT], data.observed[0, 5, SILENT] = 1.0, 1.0, False
    for held_out, constant in ((20, True), (19, False)):
        windows = training_windows(data.arrays(), data.lengths, held_out, 40)
        np.testing.assert_array_equal(windows.constant_columns(), [False, False, constant])


def test_calibrated_bands_hold_and_are_kept_with_the_run(tmp_path):
    fitted = decoder("alternator").calibrate(recording(2))
    plain, decoded = (run.decode(recording(3)) for run in (decoder("alternator"), fitted))
    truth = recording(3).targets
    np.testing.assert_array_equal(decoded.mean, plain.mean)
    np.testing.assert_allclose(decoded.std, plain.std * fitted.bands.scale)
    np.testing.assert_array_equal(decoded.quantile(0.9), decoded.mean + decoded.std * fitted.bands.at(np.array(0.9)))
    for level in (0.5, 0.9):
        low, high = decoded.interval(level)
        inside = ((low <= truth[0]) & (truth[0] <= high)).mean()
        assert abs(inside - level) < 0.08
    fitted.save(tmp_path / "run")
    again = ax.load(tmp_path / "run").decode(recording(3))
    np.testing.assert_array_equal(again.quantile([0.1, 0.9]), decoded.quantile([0.1, 0.9]))
    assert fitted.with_model(fitted.model).bands is None


def test_a_rehearsal_can_give_the_bands():
    judge = untrained(MODELS["alternator"](), recording(0))
    final = decoder("alternator").calibrate(recording(2), by=judge)
    np.testing.assert_array_equal(final.bands.quantiles, judge.calibrate(recording(2)).bands.quantiles)
    assert final.model is decoder("alternator").model
    assert final.bands.scale[0] > 2 * decoder("alternator").calibrate(recording(2)).bands.scale[0]


def test_bands_of_a_slice_are_measured_with_the_rows_before_it_as_history():
    """Regression: rows cut off from those before them were decoded cold, and bands did not hold on the whole series."""
    run, data, late = decoder("alternator"), recording(2), slice(300, None)
    warm, cold = run.calibrate(data, rows=late).bands, run.calibrate(data.rows(300, ROWS)).bands
    decoded = run.decode(data)
    residuals = ((data.targets[0] - decoded.mean) / decoded.std)[late]
    np.testing.assert_allclose(warm.scale, np.sqrt((residuals**2).mean(0)))
    assert np.abs(warm.scale / cold.scale - 1).max() > 1e-3
    np.testing.assert_array_equal(run.calibrate(data, rows=slice(None)).bands.scale, run.calibrate(data).bands.scale)
    with untyped(), pytest.raises(InputError, match=r"rows must be a slice, such as slice\(500, None\); found 300"):
        run.calibrate(data, rows=300)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"has 10 labelled rows, bands need 20.*with rows=, only those inside count"):
        run.calibrate(data, rows=slice(-10, None))


def test_the_scale_follows_the_state_and_teaches_it_nothing():
    decoded, truth = decoder("alternator").decode(recording(3)), recording(3).targets[0]
    wave = np.sin(np.arange(ROWS) / 9 + 3)
    assert np.corrcoef(decoded.std[:, 0], wave)[0, 1] > 0.5
    assert np.corrcoef(np.abs(truth - decoded.mean)[:, 0], decoded.std[:, 0])[0, 1] > 0.1
    model = decoder("alternator").model
    assert isinstance(model, ax.Alternator)
    slope = jax.grad(lambda z: target_scale(model.target_log_scale, model.target_spread, z).sum())(jnp.ones((2, 3)))
    np.testing.assert_array_equal(slope, 0.0)


def test_data_without_labels_calibrate_nothing():
    data = ax.Sequences.from_numpy(recording(2).x[0])
    with pytest.raises(InputError, match="target 'target0' has 0 labelled rows, bands need 20"):
        decoder("alternator").calibrate(data)


@pytest.mark.parametrize("build", ["alternator", "autoregressive"])
def test_an_unknown_scale_is_refused(build):
    kind, sizes = {"alternator": (ax.Alternator, {"latent_dim": 2}), "autoregressive": (ax.Autoregressive, {})}[build]
    with pytest.raises(InputError, match="target_noise='none' is not known: choose 'learned' or 'state'"):
        kind(2, target_noise="none", key=jax.random.key(0), **sizes)
