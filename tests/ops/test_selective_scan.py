"""Laws of the selective scan that need no double precision: a closed form, memory, vmap, junk, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.ops import linear_scan, selective_scan, selective_scan_naive

LENGTH, DIM, STATE = 10, 3, 2


@pytest.fixture(scope="module")
def parts() -> list[jax.Array]:
    rng = np.random.default_rng(0)
    draws = (
        rng.normal(size=(LENGTH, DIM)), rng.uniform(0.01, 1.0, (LENGTH, DIM)), -rng.uniform(0, 2, (DIM, STATE)),
        rng.normal(size=(LENGTH, STATE)), rng.normal(size=(LENGTH, STATE)), rng.normal(size=(STATE, DIM)),
    )  # fmt: skip
    return [jnp.asarray(v, jnp.float32) for v in draws]


@pytest.mark.parametrize("method", ["sequential", "associative"])
def test_single_precision_agrees_with_the_loop_in_double(parts, method):
    want, _ = selective_scan_naive(*(np.asarray(v, np.float64) for v in parts))
    np.testing.assert_allclose(selective_scan(*parts, method=method, chunk=4)[0], want, rtol=1e-5, atol=1e-6)


def test_constant_steps_are_a_linear_scan_with_the_exact_factor(parts):
    u, _, A, B, C, h0 = parts
    steps = jnp.full_like(u, 0.5)
    y, last = selective_scan(u, steps, A, B, C, h0)
    h = linear_scan(jnp.exp(0.5 * A.T), 0.5 * B[:, :, None] * u[:, None], h0)
    np.testing.assert_allclose(y, jnp.einsum("tn,tnd->td", C, h), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(last, h[-1], rtol=1e-5, atol=1e-6)


def test_a_step_that_erases_all_writes_its_input(parts):
    """delta E = 1 empties the state first: what was there before has no say."""
    u, _, _, B, C, h0 = parts
    steps, erase = jnp.full_like(u, 0.25), jnp.full_like(B, 4.0)
    _, last = selective_scan(u, steps, None, B, C, h0, erase=erase)
    np.testing.assert_allclose(last, jnp.outer(B[-1], 0.25 * u[-1]), rtol=1e-6)


def total(*parts):
    y, last = selective_scan(*parts, chunk=4)
    return jnp.sum(jnp.sin(y)) + jnp.sum(jnp.cos(last))


def test_vmap_equals_one_by_one_for_values_and_gradients(parts):
    u, *shared = parts
    batch = jnp.stack([u, 2 * u, -u[::-1]])
    alone = jax.jit(jax.value_and_grad(total, argnums=(0, 2)))
    together = jax.jit(jax.value_and_grad(lambda u, *rest: jnp.sum(jax.vmap(lambda u: total(u, *rest))(u)), (0, 2)))
    value, (d_u, d_rates) = together(batch, *shared)
    each = [alone(row, *shared) for row in batch]
    np.testing.assert_allclose(value, sum(v for v, _ in each), rtol=1e-5)
    np.testing.assert_allclose(d_u, jnp.stack([d[0] for _, d in each]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(d_rates, sum(d[1] for _, d in each), rtol=1e-4, atol=1e-5)


def test_backward_memory_is_far_below_the_states_of_all_rows():
    length, dim, state = 2048, 32, 16
    shapes = ((length, dim), (length, dim), (dim, state), (length, state), (length, state))
    given = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    loss = lambda *parts: jnp.sum(selective_scan(*parts)[0] ** 2)  # noqa: E731
    compiled = jax.jit(jax.grad(loss, argnums=range(5))).lower(*given).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 0.3 * 4 * length * dim * state


def test_rows_that_are_not_valid_change_no_other_row(parts):
    u, delta, A, B, C, h0 = parts
    valid = jnp.arange(LENGTH) % 3 != 1
    junk = lambda v: jnp.where(valid[:, None], v, 1e6)  # noqa: E731
    clean = selective_scan(u, delta, A, B, C, h0, valid=valid)
    dirty = selective_scan(junk(u), junk(delta), A, junk(B), junk(C), h0, valid=valid)
    np.testing.assert_array_equal(dirty[0][valid], clean[0][valid])
    np.testing.assert_array_equal(dirty[1], clean[1])
    assert np.isfinite(dirty[0]).all()


def test_auto_is_the_loop_on_a_cpu(parts):
    text = str(jax.make_jaxpr(selective_scan)(*parts))
    assert str(jax.make_jaxpr(lambda *v: selective_scan(*v, method="sequential"))(*parts)) == text


U, A, B = np.zeros((5, 3), np.float32), np.zeros((3, 2), np.float32), np.zeros((5, 2), np.float32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"u": U[:0]}, r"u must be \(time, dim\) with at least one row, found shape \(0, 3\)"),
        ({"B": U[0]}, r"B must be \(time, state\), found shape \(3,\)"),
        ({"delta": U[:, :2]}, r"delta has shape \(5, 2\), expected \(5, 3\)"),
        ({"A": A.T}, r"A has shape \(2, 3\), expected \(3, 2\).*2 state entries"),
        ({"C": B[:4]}, r"C has shape \(4, 2\), expected \(5, 2\)"),
        ({"h0": A}, r"h0 has shape \(3, 2\), expected \(2, 3\)"),
        ({"erase": U}, r"erase has shape \(5, 3\), expected \(5, 2\)"),
        ({"valid": np.ones(4, bool)}, r"valid has shape \(4,\), expected \(5,\)"),
        ({"resets": np.ones((5, 1), bool)}, r"resets has shape \(5, 1\), expected \(5,\)"),
        ({"method": "fast"}, r"unknown method 'fast'; choose from .*'sequential'"),
        ({"chunk": 0}, "chunk must be at least 1, found 0"),
    ],
)
def test_refuses_what_does_not_fit(changes, message):
    given = {"u": U, "delta": U, "A": A, "B": B, "C": B} | changes
    given = {name: jnp.asarray(v) if isinstance(v, np.ndarray) else v for name, v in given.items()}
    with untyped(), pytest.raises(InputError, match=message):
        selective_scan(**given)
