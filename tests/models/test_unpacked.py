"""A sequence in which nothing is packed says so by `resets=None`, and means the same as one that resets nowhere."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conformance.layers import mostly_slow

import alternax as ax
from alternax.core.model import counted, scan_unroll
from alternax.core.sequence import Sequence

KEY, LENGTH, OBS = jax.random.key(0), 9, 3
MODELS = {
    "autoregressive": lambda: ax.Autoregressive(OBS, body="s4d", width=8, context=2, key=KEY),
    "alternator": lambda: ax.Alternator(OBS, latent_dim=4, ftn="s4d", otn="gru", width=8, context=2, key=KEY),
    "alternator++": lambda: ax.AlternatorPlusPlus(OBS, latent_dim=4, width=8, key=KEY),
    "switching": lambda: ax.SwitchingAlternator(OBS, latent_dim=4, modes=2, width=8, key=KEY),
    "vendi": lambda: ax.Alternator(OBS, latent_dim=4, alpha=ax.Vendi(window=3), width=8, key=KEY),
}


def sequence(resets):
    rng = np.random.default_rng(0)
    x = np.where(rng.random((LENGTH, OBS)) < 0.2, np.nan, rng.normal(size=(LENGTH, OBS)))
    return Sequence.build(x, valid=np.arange(LENGTH) < LENGTH - 2, dt=rng.uniform(0.5, 2, LENGTH), resets=resets)


@pytest.mark.float64
@pytest.mark.parametrize("name", mostly_slow(MODELS, always=("alternator", "autoregressive")))
def test_no_resets_are_resets_nowhere(name):
    model, keep = MODELS[name](), jnp.array([1, 5])
    run = eqx.filter_jit(lambda seq: (model.unroll(seq, key=KEY, keep=keep), model.filter(seq, key=KEY)))
    without, nowhere = sequence(None), sequence(np.zeros(LENGTH, bool))
    found, want = (jax.tree.leaves(eqx.filter(run(seq), eqx.is_array)) for seq in (without, nowhere))
    assert len(found) == len(want) > 0
    for a, b in zip(found, want, strict=True):
        np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=1e-9, atol=1e-9)


def test_starts_are_the_resets_that_are_no_padding():
    flags = np.arange(LENGTH) % 4 == 0
    np.testing.assert_array_equal(np.flatnonzero(sequence(flags).starts), [0, 4])
    assert not sequence(None).starts.any() and sequence(None).rows(2, 5).resets is None
    assert sequence(None).window(jnp.asarray(3), 4).starts.shape == (4,)
    np.testing.assert_array_equal(counted(sequence(None), 2), counted(sequence(np.zeros(LENGTH, bool)), 2))


def test_the_plain_loop_takes_both():
    model = MODELS["autoregressive"]()
    one, other = (scan_unroll(model, sequence(r), key=KEY)[1] for r in (None, np.zeros(LENGTH, bool)))
    np.testing.assert_array_equal(one, other)
