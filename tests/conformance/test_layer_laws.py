"""The laws of every sequence layer: the parallel form, the one-step form and the definition of the masks agree."""

import functools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conformance.layer_runs import HALF, LENGTH, Compiled, assert_close
from conformance.layers import CONVOLVED, DIM, LAYERS, mostly_slow
from hypothesis.extra.numpy import arrays
from untyped import untyped

from alternax.core.errors import InputError

TOLERANCE = 2e-5
ALL, NONE = np.ones(LENGTH, bool), np.zeros(LENGTH, bool)
MASK = arrays(bool, LENGTH)
VALUES = st.integers(0, 2**32 - 1)
every_layer = pytest.mark.parametrize("name", LAYERS)
# Laws that compile a function of their own run for a few layers in `make test`, for all in `make test-all`.
some_layers = pytest.mark.parametrize("name", mostly_slow(LAYERS))


@functools.cache
def compiled(name: str) -> Compiled:
    return Compiled(LAYERS[name](jax.random.key(0)))


def draw(seed: int, length: int = LENGTH) -> tuple[np.ndarray, np.ndarray]:
    """Rows and elapsed times, some of them extreme."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(length, DIM)) * rng.choice([0.0, 1.0, 10.0], size=(length, 1))
    return x.astype(np.float32), rng.choice([1e-3, 0.5, 1.0, 2.0, 1e3], size=length).astype(np.float32)


def left_aligned(rows: np.ndarray, *arrays_: np.ndarray) -> tuple[np.ndarray, ...]:
    """The chosen rows moved to the front and padded to the full length; first the mask of what is valid there."""
    count = int(rows.sum())
    moved = [np.concatenate([v[rows], np.zeros_like(v[: LENGTH - count])]) for v in arrays_]
    return np.arange(LENGTH) < count, *moved


def at(tree, row):
    return jax.tree.map(lambda v: v[row], tree)


@every_layer
@hypothesis.given(VALUES, MASK, MASK)
def test_call_equals_step_by_step(name, seed, valid, resets):
    x, dt = draw(seed)
    y, states = compiled(name).run(x, valid, resets, dt)
    y_steps, states_steps = compiled(name).by_steps(x, valid, resets, dt)
    assert_close(y, y_steps, TOLERANCE)
    assert_close(states, states_steps, TOLERANCE)


@pytest.mark.parametrize("length", [1, 10])
@pytest.mark.parametrize("name", mostly_slow(LAYERS, always=("mamba2",)))
@hypothesis.given(st.data())
def test_call_equals_step_by_step_in_one_row_and_in_whole_chunks(name, length, data):
    mask = arrays(bool, length)
    x, dt = draw(data.draw(VALUES), length)
    rows = x, data.draw(mask), data.draw(mask), dt
    y, states = compiled(name).run(*rows, keep=np.arange(length))
    y_steps, states_steps = compiled(name).by_steps(*rows)
    assert_close(y, y_steps, TOLERANCE)
    assert_close(states, states_steps, TOLERANCE)


@every_layer
@hypothesis.given(VALUES, MASK, MASK, st.integers(1, LENGTH - 1))
def test_two_parts_with_carried_state_equal_the_whole(name, seed, valid, resets, cut):
    x, dt = draw(seed)
    y, states = compiled(name).run(x, valid, resets, dt)
    y_parts, states_parts = compiled(name).in_parts(x, valid, resets, dt, cut)
    assert_close(y_parts, y, TOLERANCE)
    assert_close(states_parts, states, TOLERANCE)


@some_layers
@hypothesis.settings(max_examples=10)
@hypothesis.given(VALUES, MASK, MASK)
def test_two_halves_have_the_gradients_of_the_whole(name, seed, valid, resets):
    rows = draw(seed)[0], valid, resets, np.ones(LENGTH, np.float32)
    assert_close(compiled(name).gradients_in_halves(*rows), compiled(name).gradients(*rows), 10 * TOLERANCE)


@every_layer
@hypothesis.given(VALUES, st.integers(1, LENGTH - 1))
def test_resets_equal_separate_sequences(name, seed, start):
    x, dt = draw(seed)
    y, states = compiled(name).run(x, ALL, np.arange(LENGTH) == start, dt)
    for rows in (np.arange(LENGTH) < start, np.arange(LENGTH) >= start):
        valid, x_alone, dt_alone = left_aligned(rows, x, dt)
        y_alone, states_alone = compiled(name).run(x_alone, valid, NONE, dt_alone)
        assert_close(y[rows], y_alone[valid], TOLERANCE)
        assert_close(at(states, rows), at(states_alone, valid), TOLERANCE)


@every_layer
@hypothesis.given(VALUES, MASK, MASK, st.floats(-1e6, 1e6, width=32))
def test_padding_changes_nothing(name, seed, valid, resets, junk):
    """Rows that are not valid, at the end or in the middle, may hold anything and may as well not be there."""
    x, dt = draw(seed)
    resets = resets & valid
    y, states = compiled(name).run(x, valid, resets, dt)
    dirty, dirty_dt = np.where(valid[:, None], x, np.float32(junk)), np.where(valid, dt, np.float32(7.0))
    y_dirty, states_dirty = compiled(name).run(dirty, valid, resets, dirty_dt)
    np.testing.assert_array_equal(y_dirty[valid], y[valid])
    assert_close(states_dirty, states, 0.0)
    assert np.isfinite(y_dirty).all()
    present, *packed = left_aligned(valid, x, resets, dt)
    y_packed, states_packed = compiled(name).run(packed[0], present, packed[1], packed[2])
    assert_close(y_packed[present], y[valid], TOLERANCE)
    assert_close(at(states_packed, -1), at(states, -1), TOLERANCE)


@every_layer
@hypothesis.given(VALUES, MASK, MASK, st.integers(0, LENGTH - 1))
def test_kept_states_equal_those_of_prefix_runs(name, seed, valid, resets, row):
    x, dt = draw(seed)
    _, states = compiled(name).run(x, valid, resets, dt)
    upto = np.arange(LENGTH) <= row
    _, states_upto = compiled(name).run(x, upto & valid, upto & resets, dt)
    assert_close(at(states, row), at(states_upto, -1), TOLERANCE)


@some_layers
def test_keep_takes_any_rows_in_any_order(name):
    x, dt = draw(0)
    rows = np.array([7, 0, 7, 11, 3, 3, 0, 1, 2, 11, 10, 5])
    _, states = compiled(name).run(x, ALL, NONE, dt)
    _, some = compiled(name).run(x, ALL, NONE, dt, rows)
    assert_close(some, at(states, rows), TOLERANCE)


@some_layers
@hypothesis.given(VALUES, st.permutations(range(3)))
def test_batch_order_does_not_matter(name, seed, order):
    rows = [(x, ALL, np.arange(LENGTH) == i, dt) for i, (x, dt) in enumerate(draw(seed + i) for i in range(3))]
    batch = [np.stack(column) for column in zip(*rows, strict=True)]
    order = np.array(order)
    whole = compiled(name).batch(*batch)
    assert_close(compiled(name).batch(*(v[order] for v in batch)), at(whole, order), TOLERANCE)
    assert_close(at(whole, 1), compiled(name).run(*rows[1]), TOLERANCE)


@some_layers
def test_compiled_equals_not_compiled(name):
    x, dt = draw(1)
    y, states = compiled(name).run(x, ALL, NONE, dt)
    assert_close((y, at(states, -1)), compiled(name).layer(jnp.asarray(x), dt=jnp.asarray(dt)), TOLERANCE)


@pytest.mark.parametrize("name", mostly_slow(LAYERS, always=CONVOLVED))
def test_masks_and_times_may_be_left_out(name):
    x = draw(2)[0]
    y, states = compiled(name).run(x, ALL, NONE, np.ones(LENGTH, np.float32))
    found, found_states, in_halves, last = compiled(name).unmasked(x)
    assert_close((found, found_states), (y, states), TOLERANCE)
    assert_close((in_halves, last), (y, at(states, -1)), TOLERANCE)


LARGE = arrays(np.float32, (LENGTH, DIM), elements=st.floats(-1e6, 1e6, width=32))
LARGEST = np.full((LENGTH, DIM), 1e6, np.float32)


@every_layer
@hypothesis.given(LARGE, MASK, MASK)
@hypothesis.example(LARGEST, ALL, NONE)
def test_large_inputs_stay_finite(name, x, valid, resets):
    for leaf in jax.tree.leaves(compiled(name).run(x, valid, resets, np.ones(LENGTH, np.float32))):
        assert np.isfinite(leaf).all()


@some_layers
@hypothesis.given(LARGE, MASK, MASK)
@hypothesis.example(LARGEST, ALL, NONE)
def test_large_inputs_have_finite_gradients(name, x, valid, resets):
    for leaf in jax.tree.leaves(compiled(name).gradients(x, valid, resets, np.ones(LENGTH, np.float32))):
        assert np.isfinite(leaf).all()


X, ROW = jnp.zeros((LENGTH, DIM)), jnp.zeros(DIM)


@every_layer
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda layer: layer(jnp.zeros((LENGTH, DIM + 1))), r"x of shape \(time, 3\).*found \(12, 4\)"),
        (lambda layer: layer(jnp.zeros((2, LENGTH, DIM))), r"found \(2, 12, 3\).*jax.vmap"),
        (lambda layer: layer(jnp.zeros((0, DIM))), r"at least one row, found \(0, 3\)"),
        (lambda layer: layer(X, valid=jnp.ones(LENGTH - 1, bool)), r"valid of shape \(12,\).*found \(11,\)"),
        (lambda layer: layer(X, resets=jnp.zeros((LENGTH, 1), bool)), r"resets of shape \(12,\).*found \(12, 1\)"),
        (lambda layer: layer(X, dt=jnp.ones(HALF)), r"dt of shape \(12,\).*found \(6,\)"),
        (lambda layer: layer(X, jnp.zeros(DIM + 1)), r"state of shapes .*found \(4,\)"),
        (lambda layer: layer.step(jnp.zeros(DIM + 1), layer.init_state()), r"row of shape \(3,\), found \(4,\)"),
        (lambda layer: layer.step(ROW, jnp.zeros(DIM + 1)), r"state of shapes .*found \(4,\)"),
    ],
)
def test_refuses_what_does_not_fit(name, call, message):
    with untyped(), pytest.raises(InputError, match=message):
        call(compiled(name).layer)
