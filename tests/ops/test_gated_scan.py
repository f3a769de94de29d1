"""Laws of the loops of LSTM and GRU that need no double precision: batches, memory, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.ops import gru_scan, lstm_scan
from alternax.ops.gated_scan import time_major

DIM, LENGTH = 4, 6
KERNELS = {"lstm": (lstm_scan, 4, lambda h: (h, -h)), "gru": (gru_scan, 3, lambda h: h)}
both = pytest.mark.parametrize("name", KERNELS)


def draw(name, *batch, dim=DIM, length=LENGTH):
    """Inputs, weight, bias and state; the inputs batched."""
    _, gates, state_of = KERNELS[name]
    rng = np.random.default_rng(0)
    shapes = ((*batch, length, gates * dim), (gates * dim, dim), (gates * dim,), (dim,))
    inputs, weight, bias, h = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes)
    return inputs, weight, bias, state_of(h)


@both
def test_a_batch_equals_one_by_one_for_values_and_gradients(name):
    kernel, (inputs, *rest) = KERNELS[name][0], draw(name, 3)

    def total(inputs, *rest):
        return jnp.sum(jnp.sin(kernel(time_major(inputs), *rest)[0]))

    alone = jax.jit(jax.value_and_grad(total, argnums=(0, 1, 2, 3)))
    together = jax.jit(
        jax.value_and_grad(
            lambda inputs, *rest: jnp.sum(jax.vmap(total, (0, None, None, None))(inputs, *rest)), (0, 1, 2, 3)
        )
    )
    value, (d_inputs, *shared) = together(inputs, *rest)
    one_by_one = [alone(rows, *rest) for rows in inputs]
    np.testing.assert_allclose(value, sum(v for v, _ in one_by_one), rtol=1e-5)
    np.testing.assert_allclose(d_inputs, jnp.stack([g[0] for _, g in one_by_one]), rtol=1e-5, atol=1e-6)
    sums = jax.tree.map(lambda *v: sum(v), *[g[1:] for _, g in one_by_one])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), tuple(shared), sums)


@pytest.mark.slow
@both
def test_gradients_of_each_sequence_of_a_batch(name):
    """The other order, vmap of grad: weights of one sequence each."""
    kernel, (inputs, *rest) = KERNELS[name][0], draw(name, 2)
    slope = jax.grad(lambda inputs, *rest: jnp.sum(kernel(inputs, *rest)[0] ** 2), argnums=1)
    found = jax.jit(jax.vmap(slope, (0, None, None, None)))(inputs, *rest)
    np.testing.assert_allclose(found[1], slope(inputs[1], *rest), rtol=1e-5, atol=1e-6)


@both
def test_weight_gradients_of_a_batch_are_never_built_one_by_one(name):
    kernel, gates, _ = KERNELS[name]
    inputs, *rest = draw(name, 64, dim=32, length=2)
    loss = lambda weight: jnp.sum(jax.vmap(lambda p: kernel(p, weight, *rest[1:])[0])(inputs) ** 2)  # noqa: E731
    temporary = jax.jit(jax.grad(loss)).lower(rest[0]).compile().memory_analysis().temp_size_in_bytes
    assert temporary < 64 * gates * 32 * 32 * 4 / 2


def test_time_major_changes_nothing_but_the_order_in_memory():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 4)), jnp.float32)
    np.testing.assert_array_equal(time_major(x[0]), x[0])
    np.testing.assert_array_equal(jax.vmap(time_major)(x), x)
    np.testing.assert_array_equal(jax.grad(lambda x: jnp.sum(jax.vmap(time_major)(x) * x))(x), 2 * x)


@both
def test_gradients_of_gradients_are_refused(name):
    kernel, (inputs, *rest) = KERNELS[name][0], draw(name)
    slope = jax.grad(lambda inputs: jnp.sum(kernel(inputs, *rest)[0]))
    with pytest.raises(InputError, match="gradients of gradients are not supported.*`step`"):
        jax.grad(lambda inputs: jnp.sum(slope(inputs)))(inputs)


INPUTS, WEIGHT, BIAS, ZERO = jnp.zeros((5, 8)), jnp.zeros((8, 2)), jnp.zeros(8), (jnp.zeros(2),) * 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lstm_scan(INPUTS[:, :7], WEIGHT, BIAS, ZERO), "lstm_scan: expected inputs of 4 x 2 columns, found 7"),
        (lambda: gru_scan(INPUTS, WEIGHT, BIAS, ZERO[0]), "gru_scan: expected inputs of 3 x 2 columns, found 8"),
        (lambda: lstm_scan(INPUTS[:0], WEIGHT, BIAS, ZERO), r"at least one row, found \(0, 8\)"),
        (lambda: lstm_scan(INPUTS, WEIGHT.T, BIAS, ZERO), r"weight of shape \(8, 2\).*found \(2, 8\) and \(8,\)"),
        (lambda: lstm_scan(INPUTS, WEIGHT, BIAS[:7], ZERO), r"bias of shape \(8,\), found \(8, 2\) and \(7,\)"),
        (lambda: lstm_scan(INPUTS, WEIGHT, BIAS, ZERO, valid=jnp.ones(4, bool)), r"valid has shape \(4,\).*\(5,\)"),
        (lambda: lstm_scan(INPUTS, WEIGHT, BIAS, ZERO, resets=jnp.ones(6, bool)), r"resets has shape \(6,\).*\(5,\)"),
    ],
)
def test_refuses_what_does_not_fit(call, message):
    with untyped(), pytest.raises(InputError, match=message):
        call()
