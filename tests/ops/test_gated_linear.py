"""The matrix state with a decay a key dimension in single precision: strong decays, vmap, memory, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.ops import gated_linear, gated_linear_naive


def draw(length, heads=2, key=4, value=3):
    rng = np.random.default_rng(0)
    widths = (key, key, value, key)
    q, k, v, log_decay = (jnp.asarray(rng.normal(size=(length, heads, w)), jnp.float32) for w in widths)
    return q, k, v, -0.1 * jnp.abs(log_decay)


def test_strong_decays_cost_no_precision_later_in_the_chunk():
    *arrays, log_decay = draw(70)
    rows, keys = jnp.arange(70)[:, None, None], jnp.arange(4)
    arrays.append(jnp.where((rows + keys) % 9 == 4, -1e4, log_decay))
    o, state = jax.jit(gated_linear)(*arrays)
    want, states = gated_linear_naive(*(np.asarray(v, np.float64) for v in arrays))
    np.testing.assert_allclose(o, want, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(state, states[-1], rtol=1e-5, atol=1e-5)


def test_nothing_passes_a_reset_and_no_infinity_arises():
    q, k, v, log_decay = draw(12)
    resets = jnp.arange(12) == 7

    def after(v):
        o, state = gated_linear(q, k, v, log_decay, resets=resets, chunk=6, block=3)
        return jnp.sum(jnp.sin(o[7:])) + jnp.sum(state)

    value, slope = jax.jit(jax.value_and_grad(after))(v.at[:7].set(1e30))
    np.testing.assert_array_equal(value, jax.jit(after)(v.at[:7].set(0.0)))
    np.testing.assert_array_equal(slope[:7], 0.0)
    assert np.isfinite(slope).all() and np.abs(slope[7:]).min() > 0


def test_vmap_equals_one_by_one():
    arrays = draw(12)
    batch = [jnp.stack([v, v[::-1]]) for v in arrays]
    run = lambda *a: gated_linear(*a, chunk=6, block=3)[0]  # noqa: E731
    together = jax.jit(jax.vmap(run))(*batch)
    np.testing.assert_allclose(together[1], jax.jit(run)(*(v[1] for v in batch)), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_backward_memory_is_linear_in_the_length_and_far_below_all_states():
    def temporary_bytes(length, method):
        arrays = [jax.ShapeDtypeStruct((length, 2, 64), jnp.float32)] * 4
        gradient = jax.grad(lambda *a: jnp.sum(gated_linear(*a, method=method)[0] ** 2), argnums=(0, 1, 2, 3))
        return jax.jit(gradient).lower(*arrays).compile().memory_analysis().temp_size_in_bytes

    states = 1024 * 2 * 64 * 64 * 4
    assert temporary_bytes(1024, "chunked") < 0.3 * states < temporary_bytes(1024, "sequential")
    assert temporary_bytes(4096, "chunked") < 4.2 * temporary_bytes(1024, "chunked")


K, V = jnp.zeros((5, 2, 3)), jnp.zeros((5, 2, 4))


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ((K[:0], K[:0], V[:0], K[:0]), {}, r"at least one row, found shape \(0, 2, 3\)"),
        ((K, K, V[:, :1], K), {}, r"v must be \(5, 2, value\).*found \(5, 1, 4\)"),
        ((K[..., :2], K, V, K), {}, r"q has shape \(5, 2, 2\), expected \(5, 2, 3\)"),
        ((K, K, V, K[..., 0]), {}, r"log_decay has shape \(5, 2\), expected \(5, 2, 3\)"),
        ((K, K, V, K, jnp.zeros((2, 4, 3))), {}, r"state has shape \(2, 4, 3\), expected \(2, 3, 4\)"),
        ((K, K, V, K), {"valid": jnp.ones(4, bool)}, r"valid has shape \(4,\), expected \(5,\)"),
        ((K, K, V, K), {"resets": jnp.ones((5, 1), bool)}, r"resets has shape \(5, 1\), expected \(5,\)"),
        ((K, K, V, K), {"method": "fast"}, r"unknown method 'fast'; choose from .*'sequential'"),
        ((K, K, V, K), {"chunk": 6, "block": 4}, "multiple of it, at most 512; found block=4, chunk=6"),
        ((K, K, V, K), {"block": 0}, "block of at least 1 .* found block=0, chunk=64"),
    ],
)
def test_refuses_what_does_not_fit(arrays, options, message):
    with untyped(), pytest.raises(InputError, match=message):
        gated_linear(*arrays, **options)
