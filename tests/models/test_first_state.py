"""From no state at all a whole sequence runs as from the first state, without reading an empty memory."""

import equinox as eqx
import jax
import numpy as np
import pytest
from conformance.layers import mostly_slow

import alternax as ax
from alternax.core.sequence import Sequence

KEY, LENGTH, OBS = jax.random.key(0), 9, 3
BODY = {"width": 8, "depth": 1}
MODELS = {
    "attention": lambda: ax.Autoregressive(OBS, body="attention", **BODY, key=KEY),
    "ckconv": lambda: ax.Autoregressive(OBS, body="ckconv", **BODY, key=KEY),
    "stu": lambda: ax.Alternator(OBS, latent_dim=4, ftn="stu", otn="mlp", **BODY, key=KEY),
    "switching": lambda: ax.SwitchingAlternator(OBS, latent_dim=4, modes=2, ftn="attention", **BODY, key=KEY),
    "alternator++": lambda: ax.AlternatorPlusPlus(OBS, latent_dim=4, ftn="attention", **BODY, key=KEY),
}


@pytest.mark.parametrize("name", mostly_slow(MODELS, always=("attention", "ckconv", "stu")))
def test_no_state_is_the_first_state_and_cheaper(name):
    """The bodies may hold 1,024 rows: all they need to read of them are the nine there are."""
    model, rng = MODELS[name](), np.random.default_rng(0)
    x = np.where(rng.random((LENGTH, OBS)) < 0.2, np.nan, rng.normal(size=(LENGTH, OBS)))
    seq = Sequence.build(x, valid=np.arange(LENGTH) < LENGTH - 2, dt=rng.uniform(0.5, 2, LENGTH), resets=None)

    def run(state):
        compiled = eqx.filter_jit(lambda m, s: m.unroll(seq, key=KEY, state=s)).lower(model, state).compile()
        return compiled(model, state), compiled.compiled.cost_analysis()["flops"]

    (found, cheap), (want, dear) = run(None), run(model.init(key=KEY))
    assert cheap < 0.5 * dear
    for a, b in zip(*(jax.tree.leaves(eqx.filter(part, eqx.is_array)) for part in (found, want)), strict=True):
        np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["attention", "switching"])
def test_filtering_from_no_state_is_filtering_from_the_first(name):
    model, seq = MODELS[name](), Sequence.build(np.random.default_rng(1).normal(size=(LENGTH, OBS)), resets=None)
    run = eqx.filter_jit(lambda model, state: model.filter(seq, key=KEY, state=state))
    for a, b in zip(run(model, None), run(model, model.init(key=KEY)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_model_that_goes_row_by_row_keeps_its_memories():
    """There every row is a step of the bodies, whose states must be there."""
    alpha = ax.Vendi(window=3, over="latents")
    model = ax.SwitchingAlternator(OBS, latent_dim=4, modes=2, alpha=alpha, **BODY, key=KEY)
    seq = Sequence.build(np.random.default_rng(1).normal(size=(LENGTH, OBS)), resets=None)
    assert np.isfinite(eqx.filter_jit(model.loss)(seq, key=KEY))
    assert np.isfinite(eqx.filter_jit(model.filter)(seq, key=KEY)[0]).all()
