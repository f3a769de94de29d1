"""The forms of a bank of channels against the loop over rows, in double precision: values, states and gradients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax.layers import S4, S4D, channels

pytestmark = [pytest.mark.float64, pytest.mark.slow]

LENGTH, DIM, CHUNK = 11, 19, 4  # not a multiple of the chunk; channels that do not fill the groups they go in
FORMS = ("chunked", "fft", "scan")
MASKS = {
    "none": None,
    "all": np.ones(LENGTH, bool),
    "nowhere": np.zeros(LENGTH, bool),
    "scattered": np.arange(LENGTH) % 3 != 1,
    "padded": np.arange(LENGTH) < 8,
    "late": np.arange(LENGTH) > 4,
}


LAYERS = {
    "zoh": S4D(DIM, state_dim=6, key=jax.random.key(0)),
    "low rank": S4(DIM, state_dim=4, step_max=2.0, key=jax.random.key(1)),
}
# `make test` takes one of the diagonal layers; the one of low rank has tests of its own in `test_s4_float64.py`.
every_layer = pytest.mark.parametrize(
    "layer",
    [layer if name == "zoh" else pytest.param(layer, marks=pytest.mark.slow) for name, layer in LAYERS.items()],
    ids=LAYERS.keys(),
)


def draw(seed, layer):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(size=(LENGTH, DIM))), jnp.asarray(rng.normal(size=(2, DIM, layer.pairs)))


@jax.jit
def step(layer, x_t, state):
    return channels.step(layer.bank(), x_t, state, layer.D, None)


def by_steps(layer, x, state, valid):
    """The definition: one step a row, the state held where not valid."""
    outputs, states = [], []
    for t in range(len(x)):
        y_t, after = step(layer, x[t], state)
        state = after if valid is None or valid[t] else state
        outputs.append(y_t)
        states.append(state)
    return np.stack(outputs), np.stack(states)


@partial(jax.jit, static_argnames=("method", "chunk"))
def run(layer, x, state, valid, keep, *, method, chunk=CHUNK):
    return channels.run(
        layer.bank(), x, state, layer.D, valid=valid, resets=None, dt=None, keep=keep, method=method, chunk=chunk
    )


@every_layer
@pytest.mark.parametrize("method", FORMS)
def test_every_form_equals_step_by_step(layer, method):
    x, state = draw(0, layer)
    kept = np.array([5, -1])  # few enough that the convolutional forms answer themselves
    for mask in MASKS.values():
        want, states = by_steps(layer, x, state, mask)
        y, found = run(layer, x, state, mask, kept, method=method)
        np.testing.assert_allclose(y, want, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(found, states[kept], rtol=1e-11, atol=1e-12)
    for mask in (None, MASKS["padded"]):
        states = by_steps(layer, x, state, mask)[1]
        np.testing.assert_allclose(
            run(layer, x, state, mask, None, method=method)[1], states[-1], rtol=1e-11, atol=1e-12
        )


@pytest.mark.parametrize("method", FORMS)
@pytest.mark.parametrize("chunk", [1, 64])
def test_chunks_of_any_size_agree(method, chunk):
    layer = LAYERS["zoh"]
    x, state = draw(1, layer)
    want, states = by_steps(layer, x, state, None)
    y, kept = run(layer, x, state, None, np.arange(LENGTH), method=method, chunk=chunk)
    np.testing.assert_allclose(y, want, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(kept, states, rtol=1e-11, atol=1e-12)


def test_chunks_grow_with_the_sequence():
    assert [channels.rows_at_once(length) for length in (1, 511, 1024, 2048, 65_536)] == [16, 16, 32, 64, 64]


@pytest.mark.parametrize("method", FORMS)
def test_a_single_row(method):
    layer = LAYERS["zoh"]
    x, state = draw(2, layer)
    want, states = by_steps(layer, x[:1], state, None)
    y, last = run(layer, x[:1], state, None, None, method=method)
    np.testing.assert_allclose(y, want, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(last, states[0], rtol=1e-12, atol=1e-13)


@partial(jax.jit, static_argnames="method")
@partial(jax.grad, argnums=(0, 1, 2))
def gradients(layer, x, state, method):
    y, kept = run(layer, x, state, jnp.asarray(MASKS["scattered"]), jnp.array([4, 9]), method=method)
    return jnp.sum(jnp.sin(y)) + jnp.sum(jnp.cos(kept))


@every_layer
def test_all_forms_have_the_gradient_of_the_loop(layer):
    """The loop's is checked against finite differences by the laws of every layer."""
    x, state = draw(3, layer)
    want = jax.tree.leaves(gradients(layer, x, state, "scan"))
    for method in ("chunked", "fft"):
        for found, wanted in zip(jax.tree.leaves(gradients(layer, x, state, method)), want, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-10)


def test_rows_that_are_not_valid_may_hold_anything():
    layer = LAYERS["zoh"]
    x, state = draw(4, layer)
    valid = MASKS["scattered"]
    dirty = jnp.where(valid[:, None], x, 1e6)
    for method in FORMS:
        clean, junk = (run(layer, v, state, valid, None, method=method) for v in (x, dirty))
        np.testing.assert_array_equal(clean[0][valid], junk[0][valid])
        np.testing.assert_array_equal(clean[1], junk[1])
