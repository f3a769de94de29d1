"""Laws of the linear scan that need no double precision: refusals, transformations, memory, platform choice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.ops import linear_scan, linear_scan_naive

METHODS = ("sequential", "associative", "chunked")
LENGTH, WIDTH = 20, 3


@pytest.fixture(scope="module")
def rows() -> list[jax.Array]:
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.uniform(-1, 1, shape), jnp.float32) for shape in ((LENGTH, WIDTH), (LENGTH, WIDTH), WIDTH)]


@pytest.mark.parametrize("method", METHODS)
def test_single_precision_agrees_with_the_loop_in_double(rows, method):
    a, b, h0 = rows
    want = linear_scan_naive(*(np.asarray(v, np.float64) for v in rows))
    found = jax.jit(lambda *v: linear_scan(*v, method=method, chunk=8))(a, b, h0)
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)


def test_auto_is_the_loop_on_a_cpu(rows):
    a, b, h0 = rows
    text = str(jax.make_jaxpr(linear_scan)(a, b, h0))
    assert str(jax.make_jaxpr(lambda *v: linear_scan(*v, method="sequential"))(a, b, h0)) == text


@pytest.mark.parametrize("method", METHODS)
def test_vmap_equals_one_by_one_for_values_and_gradients(rows, method):
    a, b, h0 = rows
    batch = jnp.stack([b, 2 * b, -b[::-1]])
    decay = a[0]

    def total(decay, b):
        return jnp.sum(jnp.sin(linear_scan(decay, b, h0, method=method, chunk=8)))

    alone = jax.jit(jax.grad(total, argnums=(0, 1)))
    together = jax.jit(jax.grad(lambda d, batch: jnp.sum(jax.vmap(total, (None, 0))(d, batch)), argnums=(0, 1)))
    one_by_one = [alone(decay, b) for b in batch]
    d_decay, d_batch = together(decay, batch)
    np.testing.assert_allclose(d_decay, sum(d for d, _ in one_by_one), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(d_batch, jnp.stack([d for _, d in one_by_one]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("constant", [True, False])
def test_backward_memory_is_linear_in_the_length(constant):
    def temporary_bytes(length):
        b = jax.ShapeDtypeStruct((length, 64), jnp.float32)
        a = jax.ShapeDtypeStruct((64,), jnp.float32) if constant else b
        gradient = jax.grad(lambda a, b: jnp.sum(linear_scan(a, b, method="sequential") ** 2), argnums=(0, 1))
        return jax.jit(gradient).lower(a, b).compile().memory_analysis().temp_size_in_bytes

    one = 1024 * 64 * 4
    assert temporary_bytes(1024) < 5 * one
    assert temporary_bytes(4096) < 4.2 * temporary_bytes(1024)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.complex64, jnp.bfloat16])
def test_dtype_is_the_promoted_one(dtype):
    h = linear_scan(jnp.full(2, 0.5, jnp.bfloat16), jnp.ones((3, 2), dtype))
    assert h.dtype == dtype
    assert h[-1, 0] == 1.75


def test_cotangents_come_back_real_where_the_argument_was_real():
    b = jnp.ones((4, 2), jnp.complex64)
    gradient = jax.grad(lambda a: jnp.sum(jnp.abs(linear_scan(a, b)) ** 2))(jnp.full(2, 0.5))
    assert gradient.dtype == jnp.float32


def test_gradient_can_be_differentiated_again():
    """The last state is h = a^2 + 2 a + 3: its square has slope 2 h h', and that one 2 (h'^2 + h h'')."""

    def slope(a):
        return jax.grad(lambda a: linear_scan(a, jnp.array([1.0, 2.0, 3.0]))[-1] ** 2)(a)

    a = jnp.array(0.5)
    h, first, second = a**2 + 2 * a + 3, 2 * a + 2, 2.0
    np.testing.assert_allclose(slope(a), 2 * h * first, rtol=1e-6)
    np.testing.assert_allclose(jax.grad(slope)(a), 2 * (first**2 + h * second), rtol=1e-6)


B = np.zeros((5, 3), np.float32)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((np.ones((4, 3), np.float32), B), {}, r"a has shape \(4, 3\).*\(5, 3\).*features \(3,\)"),
        ((np.ones(5, np.float32), B), {}, r"a has shape \(5,\)"),
        ((np.ones((1, 5, 3), np.float32), B), {}, r"a has shape \(1, 5, 3\)"),
        ((np.ones(3, np.float32), B, np.ones(2, np.float32)), {}, r"h0 has shape \(2,\), expected the features \(3,\)"),
        ((np.ones(3, np.float32), B, np.ones((5, 3), np.float32)), {}, r"h0 has shape \(5, 3\)"),
        ((np.ones(3, np.float32), B[:0]), {}, r"at least one row, found shape \(0, 3\)"),
        ((np.ones(3, np.float32), B), {"method": "fast"}, r"unknown method 'fast'; choose from .*'sequential'"),
        ((np.ones(3, np.float32), B), {"chunk": 0}, "chunk must be at least 1, found 0"),
        ((np.ones(3, np.float32), B), {"resets": np.zeros(4, bool)}, r"resets has shape \(4,\), expected .* \(5,\)"),
    ],
)
def test_refuses_what_does_not_fit(arguments, options, message):
    arguments = [jnp.asarray(v) for v in arguments]
    options = {name: jnp.asarray(v) if name == "resets" else v for name, v in options.items()}
    with untyped(), pytest.raises(InputError, match=message):
        linear_scan(*arguments, **options)
