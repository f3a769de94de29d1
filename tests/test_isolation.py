"""Nothing in one series reaches another: not its gaps, not its values, not its absence."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from trained import ragged, small, untrained

import alternax as ax
from alternax.fit.windows import training_windows

LENGTHS = (24, 20)
SIZES = {"control_dim": 2, "width": 4, "depth": 1}
MODELS = {
    "alternator": lambda: small(control_dim=2),
    "autoregressive": lambda: ax.Autoregressive(
        2, body="gru", head="affine", context=6, **SIZES, key=jax.random.key(0)
    ),
}


def whole():
    """Two complete series."""
    return ragged(lengths=LENGTHS)


def changed(how):
    """The same first series beside another second one."""
    data = whole()
    x, observed = data.x.copy(), data.observed.copy()
    if how == "scattered NaN":
        observed[1] &= np.random.default_rng(0).random(observed[1].shape) > 0.4
    elif how == "a gap":
        observed[1, 5:15] = False
    elif how == "nothing but its first row":
        observed[1, 1:] = False
    else:
        x[1, 7] = 1e30
    return data.replace_x(x, observed)


cut = jax.jit(lambda windows, index, start: windows.take(index, start))
CHANGES = ("scattered NaN", "a gap", "nothing but its first row", "an immense value")


@pytest.fixture(scope="module", params=["alternator", pytest.param("autoregressive", marks=pytest.mark.slow)])
def fitted(request):
    """A model whose every weight counts, behind a fitted scale."""
    model = MODELS[request.param]()
    weights, rest = eqx.partition(model, eqx.is_inexact_array)
    leaves, tree = jax.tree.flatten(weights)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    shaken = [a + 0.02 * jax.random.normal(k, a.shape, a.dtype) for a, k in zip(leaves, keys, strict=True)]
    data = whole()
    return untrained(eqx.combine(jax.tree.unflatten(tree, shaken), rest), data, ax.Scale().fit(data))


def answers(fitted, data):
    """What a fitted model says of the first series."""
    found = {
        "forecast": fitted.forecast(data, horizon=3, samples=4).samples[:, 0],
        "log_prob": fitted.log_prob(data, particles=8).value[0],
    }
    if isinstance(fitted.model, ax.Alternator):
        latents = fitted.filter(data)
        found |= {"mean": latents.mean[0], "var": latents.var[0]}
    return found


@pytest.fixture(scope="module")
def expected(fitted):
    """What it says beside a complete second series."""
    return answers(fitted, whole())


@pytest.mark.parametrize("how", CHANGES)
def test_the_answers_for_a_series_are_the_same_bits_whatever_the_other_holds(fitted, expected, how):
    data = changed(how)
    for name, found in answers(fitted, data).items():
        assert np.isfinite(found).all(), name
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected[name]), err_msg=name, strict=True)


def test_the_other_series_does_change(fitted):
    """Otherwise the laws above would say nothing."""
    before, after = (fitted.forecast(d, horizon=3, samples=4).samples[:, 1] for d in (whole(), changed("a gap")))
    assert not np.array_equal(before, after)


@pytest.mark.slow
@pytest.mark.parametrize("how", CHANGES)
def test_what_is_filled_in_is_the_same_bits_whatever_the_other_holds(fitted, how):
    expected, found = (fitted.impute(data, samples=4, lag=4).samples[:, 0] for data in (whole(), changed(how)))
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize("how", CHANGES)
def test_training_windows_of_a_series_are_the_same_bits_whatever_the_other_holds(how):
    found = []
    for data in (whole(), changed(how)):
        windows = training_windows(data.arrays(), data.lengths, 4, 8)
        found.append(cut(windows, jnp.array(0), jnp.array(3)))
    jax.tree.map(np.testing.assert_array_equal, *found)


@pytest.mark.parametrize("how", CHANGES)
def test_scaling_by_series_knows_nothing_of_the_others(how):
    expected, found = (ax.Scale("series").fit(data).apply(data).x[0] for data in (whole(), changed(how)))
    np.testing.assert_array_equal(found, expected)
