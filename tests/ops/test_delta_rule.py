"""Laws of the delta rule that need no double precision: single precision, memory of the gradient, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.ops import delta_rule, delta_rule_naive

LENGTH, STEPS, HEADS, KEY, VALUE = 20, 2, 2, 4, 3


@pytest.fixture(scope="module")
def rows() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    k = rng.normal(size=(LENGTH, STEPS, HEADS, KEY))
    k /= np.linalg.norm(k, axis=-1, keepdims=True)
    q, v = rng.normal(size=(LENGTH, HEADS, KEY)), rng.normal(size=(LENGTH, STEPS, HEADS, VALUE))
    beta, log_decay = rng.uniform(0, 2, (LENGTH, STEPS, HEADS)), -rng.exponential(size=(LENGTH, HEADS))
    log_decay[10] = -1e4  # in single precision the decays behind it must not lose their digits
    return [x.astype(np.float32) for x in (q, k, v, beta, log_decay)]


@pytest.mark.parametrize("method", ["sequential", "chunked"])
def test_single_precision_agrees_with_the_definition_in_double(rows, method):
    want, _ = delta_rule_naive(*(x.astype(np.float64) for x in rows))
    found, _ = delta_rule(*map(jnp.asarray, rows), method=method, chunk=16)
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-5)


def test_auto_is_the_chunked_form(rows):
    texts = [
        str(jax.make_jaxpr(lambda *x, method=method: delta_rule(*x, method=method))(*rows))
        for method in ("auto", "chunked")
    ]
    assert texts[0] == texts[1]


def test_half_precision_is_computed_in_single_and_rounded(rows):
    half = [jnp.asarray(x, jnp.bfloat16) for x in rows]
    found, last = delta_rule(*half)
    want, end = delta_rule(*(x.astype(jnp.float32) for x in half))
    assert found.dtype == last.dtype == jnp.bfloat16
    np.testing.assert_array_equal(found, want.astype(jnp.bfloat16))
    np.testing.assert_array_equal(last, end.astype(jnp.bfloat16))


def test_vmap_equals_one_by_one(rows):
    batch = [jnp.stack([x, x[::-1]]) for x in rows]
    together, last = jax.vmap(delta_rule)(*batch)
    for i in range(2):
        alone, end = delta_rule(*(x[i] for x in batch))
        np.testing.assert_allclose(together[i], alone, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(last[i], end, rtol=1e-5, atol=1e-6)


def test_rows_that_are_not_valid_leave_no_trace_in_any_bit(rows):
    valid = np.arange(LENGTH) % 3 != 1
    fills = (1e6, 1.0, 1e6, 2.0, -9.0)
    junk = [
        np.where(valid.reshape(-1, *[1] * (x.ndim - 1)), x, np.float32(fill))
        for x, fill in zip(rows, fills, strict=True)
    ]
    results = [
        delta_rule(*map(jnp.asarray, x), valid=jnp.asarray(valid), chunk=8, keep=jnp.arange(LENGTH))
        for x in (rows, junk)
    ]
    np.testing.assert_array_equal(results[0][0][valid], results[1][0][valid])
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_gradient_keeps_one_memory_a_chunk():
    """Temporary bytes grow with the inputs and the memories between chunks, not with a memory a row."""

    def temporary_bytes(length):
        shapes = (length, 1, 16), (length, 1, 1, 16), (length, 1, 1, 16), (length, 1, 1)
        arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
        gradient = jax.grad(lambda *x: jnp.sum(delta_rule(*x, chunk=32)[0] ** 2), argnums=(0, 1, 2, 3))
        return jax.jit(gradient).lower(*arguments).compile().memory_analysis().temp_size_in_bytes

    every_memory = 2048 * 16 * 16 * 4
    assert temporary_bytes(2048) < 0.5 * every_memory


Q, K, BETA = np.zeros((5, 2, 3), np.float32), np.zeros((5, 1, 2, 3), np.float32), np.zeros((5, 1, 2), np.float32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": Q}, r"k must be \(time, steps, heads, key_dim\).*found shape \(5, 2, 3\)"),
        ({"k": K[:0]}, r"at least one row and step, found shape \(0, 1, 2, 3\)"),
        ({"q": Q[:4]}, r"q has shape \(4, 2, 3\), expected \(5, 2, 3\) beside k of shape \(5, 1, 2, 3\)"),
        ({"v": K[:, :, :1]}, r"v has shape \(5, 1, 1, 3\), expected \(5, 1, 2, 3\)"),
        ({"beta": BETA[:, 0]}, r"beta has shape \(5, 2\), expected \(5, 1, 2\)"),
        ({"log_decay": BETA}, r"log_decay has shape \(5, 1, 2\), expected \(5, 2\)"),
        ({"state": Q[0]}, r"state has shape \(2, 3\), expected \(2, 3, 3\)"),
        ({"valid": np.ones(4, bool)}, r"valid has shape \(4,\), expected \(5,\)"),
        ({"resets": np.ones(6, bool)}, r"resets has shape \(6,\), expected \(5,\)"),
        ({"method": "fast"}, r"unknown method 'fast'; choose from .*'chunked'"),
        ({"chunk": 0}, "chunk must be at least 1, found 0"),
    ],
)
def test_refuses_what_does_not_fit(changes, message):
    arguments = {"q": Q, "k": K, "v": K, "beta": BETA} | changes
    arguments = {name: jnp.asarray(v) if isinstance(v, np.ndarray) else v for name, v in arguments.items()}
    with untyped(), pytest.raises(InputError, match=message):
        delta_rule(**arguments)
