"""The matrix-state recurrence in single precision: strong decays, vmap, memory, dtypes, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.ops import ssd, ssd_naive


def draw(length, decay, heads=2, head_dim=4, state=3):
    rng = np.random.default_rng(0)
    shapes = ((length, heads, head_dim), (length, heads), (length, 1, state), (length, 1, state))
    x, log_decay, B, C = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes)
    return x, -decay * jnp.abs(log_decay), B, C


def exact(arrays, **masks):
    return ssd_naive(*(np.asarray(v, np.float64) for v in arrays), **masks)


@pytest.mark.parametrize("chunk", [None, 64])
def test_strong_decays_cost_no_precision_later_in_the_chunk(chunk):
    """Rows that decay by e^-10000 stand beside rows that hardly decay; plain running sums lose four digits there."""
    x, log_decay, B, C = draw(70, 0.1)
    log_decay = jnp.where(jnp.arange(70)[:, None] % 9 == 4, -1e4, log_decay)
    y, state = jax.jit(lambda *a: ssd(*a, chunk=chunk))(x, log_decay, B, C)
    want, states = exact((x, log_decay, B, C))
    np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(state, states[-1], rtol=1e-5, atol=1e-5)


def test_nothing_passes_a_reset_and_no_infinity_arises():
    """Values of 1e30 before a reset would show after it at any factor that is not exactly zero."""
    x, log_decay, B, C = draw(12, 0.1)
    resets = jnp.arange(12) == 7

    def after(x):
        y, state = ssd(x, log_decay, B, C, resets=resets, chunk=5)
        return jnp.sum(jnp.sin(y[7:])) + jnp.sum(state)

    value, slope = jax.jit(jax.value_and_grad(after))(x.at[:7].set(1e30))
    np.testing.assert_array_equal(value, jax.jit(after)(x.at[:7].set(0.0)))
    np.testing.assert_array_equal(slope[:7], 0.0)
    assert np.isfinite(slope).all() and np.abs(slope[7:]).min() > 0


def test_vmap_equals_one_by_one_for_values_and_gradients():
    x, *rest = draw(12, 0.3)
    batch = jnp.stack([x, -2 * x])
    total = lambda x: jnp.sum(jnp.sin(ssd(x, *rest, chunk=5)[0]))  # noqa: E731
    together = jax.jit(jax.vmap(jax.value_and_grad(total)))(batch)
    alone = [jax.jit(jax.value_and_grad(total))(x) for x in batch]
    for found, want in zip(together, zip(*alone, strict=True), strict=True):
        np.testing.assert_allclose(found, jnp.stack(want), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_backward_memory_is_linear_in_the_length_and_far_below_all_states():
    def temporary_bytes(length, method):
        arrays = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((length, 4, 32), (length, 4), (length, 1, 64))]
        gradient = jax.grad(lambda x, a, B: jnp.sum(ssd(x, a, B, B, method=method)[0] ** 2), argnums=(0, 1, 2))
        return jax.jit(gradient).lower(*arrays).compile().memory_analysis().temp_size_in_bytes

    states = 1024 * 4 * 32 * 64 * 4
    assert temporary_bytes(1024, "chunked") < 0.3 * states < temporary_bytes(1024, "sequential")
    assert temporary_bytes(4096, "chunked") < 4.2 * temporary_bytes(1024, "chunked")


@pytest.mark.slow
def test_half_precision_is_rounded_only_at_the_end():
    x, log_decay, B, C = (v.astype(jnp.bfloat16) for v in draw(20, 0.1))
    y, state = ssd(x, log_decay, B, C)
    assert y.dtype == state.dtype == jnp.bfloat16
    want, _ = exact((x, log_decay, B, C))
    np.testing.assert_allclose(np.asarray(y, np.float32), want, rtol=2**-8, atol=1e-5)


X, A, B = jnp.zeros((5, 4, 3)), jnp.zeros((5, 4)), jnp.zeros((5, 2, 6))


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ((X[:0], A[:0], B[:0], B[:0]), {}, r"at least one row, found shape \(0, 4, 3\)"),
        ((X[0], A, B, B), {}, r"x must be \(time, heads, head_dim\).*found shape \(4, 3\)"),
        ((X, A[:, :3], B, B), {}, r"log_decay has shape \(5, 3\), expected \(5, 4\)"),
        ((X, A, jnp.zeros((5, 3, 6)), B), {}, r"groups that divide the 4 heads, found \(5, 3, 6\)"),
        ((X, A, B, B[..., :5]), {}, r"C has shape \(5, 2, 5\), expected \(5, 2, 6\)"),
        ((X, A, B, B, jnp.zeros((4, 6, 3))), {}, r"state has shape \(4, 6, 3\), expected \(4, 3, 6\)"),
        ((X, A, B, B), {"valid": jnp.ones(4, bool)}, r"valid has shape \(4,\), expected \(5,\)"),
        ((X, A, B, B), {"resets": jnp.ones((5, 1), bool)}, r"resets has shape \(5, 1\), expected \(5,\)"),
        ((X, A, B, B), {"method": "fast"}, r"unknown method 'fast'; choose from .*'sequential'"),
        ((X, A, B, B), {"chunk": 0}, "chunk must be from 1 to 512, found 0"),
        ((X, A, B, B), {"chunk": 513}, "chunk must be from 1 to 512, found 513"),
    ],
)
def test_refuses_what_does_not_fit(arrays, options, message):
    with untyped(), pytest.raises(InputError, match=message):
        ssd(*arrays, **options)
