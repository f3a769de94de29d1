"""Laws of the attention scan that need no double precision: extreme scores, junk, memory, refusals."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.ops import attention_scan
from alternax.ops.attention_scan import NOTHING, AttentionState, attention_scan_naive, attention_step, nothing_seen

METHODS = ("sequential", "associative", "chunked")
LENGTH, HEADS, WIDTH = 11, 2, 3
every_method = pytest.mark.parametrize("method", METHODS)

run = jax.jit(partial(attention_scan, chunk=4), static_argnames="method")


@partial(jax.jit, static_argnames="method")
def gradient(scores, values, valid, method):
    def total(scores, values):
        y, state = attention_scan(scores, values, valid=valid, method=method, chunk=4)
        return jnp.sum(jnp.where(valid[:, None, None], y, 0.0) ** 2) + jnp.sum(state.w) + jnp.sum(state.u)

    return jax.grad(total, argnums=(0, 1))(scores, values)


def rows(scale: float = 1.0) -> tuple[jax.Array, jax.Array]:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(LENGTH, HEADS)), rng.normal(size=(LENGTH, HEADS, WIDTH))
    return jnp.asarray(scale * draws[0], jnp.float32), jnp.asarray(draws[1], jnp.float32)


@every_method
def test_single_precision_agrees_with_the_loop_in_double(method):
    s, v = rows()
    found, state = run(s, v, method=method)
    want, states = attention_scan_naive(np.asarray(s, np.float64), np.asarray(v, np.float64))
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)
    for f, w in zip(state, states, strict=True):
        np.testing.assert_allclose(f, w[-1], rtol=1e-5, atol=1e-6)


@every_method
@pytest.mark.parametrize("offset", [-1e6, 1e6])
def test_huge_scores_lose_nothing_of_their_differences(method, offset):
    """Moved by a number that single precision holds exactly: the log-sum-exp form would lose log u altogether."""
    s, v = rows()
    s = jnp.round(s * 4) / 4
    np.testing.assert_allclose(run(s + offset, v, method=method)[0], run(s, v, method=method)[0], rtol=1e-6, atol=1e-6)


@every_method
def test_scores_far_apart_choose_the_largest(method):
    s, v = rows(1e6)
    found = run(s, v, method=method)[0]
    largest = np.maximum.accumulate(s) == s
    last = np.maximum.accumulate(np.where(largest, np.arange(LENGTH)[:, None], 0))
    np.testing.assert_allclose(found, np.take_along_axis(np.asarray(v), last[..., None], axis=0), rtol=1e-6)
    for leaf in gradient(s, v, jnp.ones(LENGTH, bool), method=method):
        assert np.isfinite(leaf).all()


@every_method
def test_rows_all_masked_leave_nothing_and_no_nan(method):
    s, v = rows()
    y, state = run(s, v, valid=jnp.zeros(LENGTH, bool), method=method)
    np.testing.assert_allclose(y, v, rtol=1e-6)  # each row asked alone
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), state, nothing_seen((HEADS, WIDTH), v.dtype)))
    for leaf in gradient(s, v, jnp.zeros(LENGTH, bool), method=method):
        np.testing.assert_array_equal(leaf, 0.0)


@every_method
def test_minus_infinity_leaves_a_row_out_for_its_head_alone(method):
    s, v = rows()
    s = s.at[:4, 1].set(-jnp.inf).at[6, 1].set(-jnp.inf)
    y, _ = run(s, v, method=method)
    np.testing.assert_array_equal(y[:4, 1], 0.0)
    present = np.array([4, 5, 7, 8, 9, 10])
    want, _ = attention_scan_naive(np.asarray(s[present, 1:]), np.asarray(v[present, 1:]))
    np.testing.assert_allclose(y[present, 1:], want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y[:, :1], run(*rows(), method=method)[0][:, :1], rtol=1e-6)
    ds, dv = gradient(s, v, jnp.ones(LENGTH, bool), method=method)
    assert np.isfinite(ds).all() and np.isfinite(dv).all()
    np.testing.assert_array_equal(ds[6, 1], 0.0)
    np.testing.assert_array_equal(dv[6, 1], 0.0)


@every_method
def test_junk_on_rows_that_are_not_valid_reaches_no_other_row(method):
    s, v = rows()
    valid = jnp.arange(LENGTH) % 3 != 1
    clean = run(s, v, valid=valid, method=method), gradient(s, v, valid, method=method)
    s, v = jnp.where(valid[:, None], s, 1e6), jnp.where(valid[:, None, None], v, -1e6)
    dirty = run(s, v, valid=valid, method=method), gradient(s, v, valid, method=method)
    for found, want in zip(jax.tree.leaves(dirty), jax.tree.leaves(clean), strict=True):
        keep = slice(None) if found.shape[0] != LENGTH else np.asarray(valid)
        np.testing.assert_array_equal(found[keep], want[keep])


def test_steps_from_nothing_equal_the_scan():
    s, v = rows()
    last, y = jax.lax.scan(
        lambda state, row: attention_step(*row, state)[::-1], nothing_seen((HEADS, WIDTH), v.dtype), (s, v)
    )
    want, state = run(s, v)
    np.testing.assert_array_equal(y, want)
    assert last.m.tolist() == state.m.tolist()
    assert float(NOTHING) < float(last.m.min())


def test_auto_is_the_loop_on_a_cpu():
    assert str(jax.make_jaxpr(partial(attention_scan, method="sequential"))(*rows())) == str(
        jax.make_jaxpr(attention_scan)(*rows())
    )


@pytest.mark.slow
@every_method
def test_memory_is_linear_in_the_length(method):
    def temporary_bytes(length):
        s, v = (jax.ShapeDtypeStruct((length, 2, *rest), jnp.float32) for rest in ((), (32,)))
        compiled = jax.jit(jax.grad(lambda s, v: jnp.sum(attention_scan(s, v, method=method)[0] ** 2), argnums=(0, 1)))
        return compiled.lower(s, v).compile().memory_analysis().temp_size_in_bytes

    assert temporary_bytes(512) < 4.2 * temporary_bytes(128)


S, V = np.zeros((5, 2), np.float32), np.zeros((5, 2, 3), np.float32)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((S[:0], V[:0]), {}, r"scores must be \(time, heads\), at least one row, found \(0, 2\)"),
        ((V, V), {}, r"scores must be \(time, heads\).*found \(5, 2, 3\)"),
        ((S, V[:4]), {}, r"values must be \(5, 2, 'width'\), found \(4, 2, 3\)"),
        ((S, S), {}, r"values must be \(5, 2, 'width'\), found \(5, 2\)"),
        ((S, V, AttentionState(S[0], S[0], V[0, :1])), {}, r"state of shapes \(\(2,\), .*found .*\(1, 3\)"),
        ((S, V), {"valid": S[:4, 0] > 0}, r"valid has shape \(4,\), expected .* \(5,\)"),
        ((S, V), {"resets": S > 0}, r"resets has shape \(5, 2\), expected .* \(5,\)"),
        ((S, V), {"method": "fast"}, r"unknown method 'fast'; choose from .*'sequential'"),
        ((S, V), {"chunk": 0}, "chunk must be at least 1, found 0"),
    ],
)
def test_refuses_what_does_not_fit(arguments, options, message):
    with untyped(), pytest.raises(InputError, match=message):
        attention_scan(*jax.tree.map(jnp.asarray, arguments), **options)
