"""The matrix-state recurrence against its definition: values and gradients, all methods, masks, chunk lengths."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax.ops import selective_scan, ssd, ssd_chunks, ssd_naive

pytestmark = pytest.mark.float64

LENGTH, HEADS, HEAD_DIM, GROUPS, STATE = 11, 4, 3, 2, 5
KEEP = [10, 0, 7, 7, 3]


def draw(seed, length=LENGTH, groups=GROUPS):
    """Arrays with decays from none at all to total, rows not taken in and new sequences among them."""
    rng = np.random.default_rng(seed)
    strength = rng.choice([0.0, 0.1, 1.0, 30.0, 1e5], size=(length, HEADS))
    arrays = (
        rng.normal(size=(length, HEADS, HEAD_DIM)),
        -strength * rng.uniform(0.5, 1.5, (length, HEADS)),
        rng.normal(size=(length, groups, STATE)),
        rng.normal(size=(length, groups, STATE)),
        rng.normal(size=(HEADS, HEAD_DIM, STATE)),
    )
    masks = {"valid": rng.random(length) < 0.7, "resets": rng.random(length) < 0.2}
    return jax.tree.map(jnp.asarray, (arrays, masks))


def plain(x, log_decay, B, C, state, *, valid, resets):
    """The definition as a loop that JAX differentiates; outputs and the states after all rows."""
    B, C = (jnp.repeat(v, HEADS // v.shape[1], axis=1) for v in (B, C))

    def body(S, row):
        x_t, log_a, B_t, C_t, taken, restarted = row
        S = jnp.where(restarted, 0.0, S)
        after = jnp.exp(log_a)[:, None, None] * S + x_t[:, :, None] * B_t[:, None, :]
        held = jnp.where(taken, after, S)
        return held, (jnp.sum(after * C_t[:, None, :], axis=-1), held)

    return jax.lax.scan(body, state, (x, log_decay, B, C, valid, resets))[1]


def total(run, arrays, masks):
    y, states = run(*arrays, **masks)
    return jnp.sum(jnp.sin(y)) + jnp.sum(jnp.cos(states))


def close(found, want):
    np.testing.assert_allclose(found, want, rtol=1e-11, atol=1e-11 * max(1.0, float(np.max(np.abs(want)))))


def naive(arrays, masks):
    return ssd_naive(*map(np.asarray, arrays), **jax.tree.map(np.asarray, masks))


every_form = pytest.mark.parametrize(
    ("method", "chunk"), [("sequential", None), ("chunked", 1), ("chunked", 4), ("chunked", None)]
)


@every_form
def test_values_equal_the_naive_loop(method, chunk):
    check_values(method, chunk, GROUPS)


@pytest.mark.parametrize("groups", [1, HEADS])
def test_heads_share_what_their_group_has(groups):
    check_values("chunked", 4, groups)


def check_values(method, chunk, groups):
    run = jax.jit(partial(ssd, keep=jnp.array(KEEP), method=method, chunk=chunk))
    for seed in range(4):
        arrays, masks = draw(seed, groups=groups)
        y, states = run(*arrays, **masks)
        y_naive, states_naive = naive(arrays, masks)
        close(y, y_naive)
        close(states, states_naive[KEEP])


@every_form
def test_gradients_equal_those_of_the_loop(method, chunk):
    kept = lambda *a, **m: (lambda y, states: (y, states[jnp.array(KEEP)]))(*plain(*a, **m))  # noqa: E731
    found = jax.jit(jax.grad(partial(total, partial(ssd, keep=jnp.array(KEEP), method=method, chunk=chunk))))
    wanted = jax.jit(jax.grad(partial(total, kept)))
    for seed in range(4):
        arrays, masks = draw(seed)
        for gradient, want in zip(found(arrays, masks), wanted(arrays, masks), strict=True):
            close(gradient, want)


@pytest.mark.parametrize("chunk", [4, None])
def test_gradients_without_masks_reach_the_last_state(chunk):
    arrays, _ = draw(5)
    last = lambda *a: (lambda y, states: (y, states[-1]))(  # noqa: E731
        *plain(*a, valid=jnp.ones(LENGTH, bool), resets=jnp.zeros(LENGTH, bool))
    )
    found = jax.jit(jax.grad(lambda a: total(partial(ssd, chunk=chunk), a, {})))(arrays)
    for gradient, want in zip(found, jax.jit(jax.grad(lambda a: total(last, a, {})))(arrays), strict=True):
        close(gradient, want)


@pytest.mark.parametrize("chunk", [1, 2])  # eleven chunks in parts of four, the last of zeros, and six in parts of two
def test_parts_of_a_few_chunks_equal_the_loop(chunk, monkeypatch):
    monkeypatch.setattr(ssd_chunks, "CACHED_ROWS", 4)
    check_values("chunked", chunk, GROUPS)
    test_gradients_equal_those_of_the_loop("chunked", chunk)
    test_gradients_without_masks_reach_the_last_state(chunk)


@pytest.mark.parametrize("method", ["sequential", "chunked"])
def test_a_single_row_and_no_state(method):
    (x, log_decay, B, C, _), _ = draw(6, length=1)
    y, state = ssd(x, log_decay, B, C, method=method)
    y_naive, states = naive((x, log_decay, B, C), {})
    close(y, y_naive)
    close(state, states[0])


@pytest.mark.slow
def test_gradient_can_be_differentiated_again():
    arrays, masks = draw(7)
    slope = lambda run: jax.grad(lambda a: total(run, a, masks))  # noqa: E731
    kept = lambda *a, **m: (lambda y, states: (y, states[-1]))(*plain(*a, **m))  # noqa: E731
    bend = lambda run: jax.grad(lambda a: sum(jnp.sum(jnp.sin(v)) for v in slope(run)(a)))  # noqa: E731
    for second, want in zip(jax.jit(bend(partial(ssd, chunk=4)))(arrays), jax.jit(bend(kept))(arrays), strict=True):
        close(second, want)


def test_equals_selective_scan_where_both_apply():
    """One rate a head, one B and C: every channel of a head is a channel of the selective scan."""
    (x, log_decay, B, C, state), masks = draw(8, groups=1)
    delta = jnp.exp(x[:, :, 0])
    rates = -jnp.exp(log_decay[0])
    y, states = jax.jit(partial(ssd, keep=jnp.array(KEEP), chunk=4))(
        delta[..., None] * x, rates * delta, B, C, state, **masks
    )
    A = jnp.broadcast_to(jnp.repeat(rates, HEAD_DIM)[:, None], (HEADS * HEAD_DIM, STATE))
    y_scan, states_scan = jax.jit(partial(selective_scan, keep=jnp.array(KEEP)))(
        x.reshape(LENGTH, -1), jnp.repeat(delta, HEAD_DIM, axis=1), A, B[:, 0], C[:, 0],
        state.reshape(-1, STATE).T, **masks,
    )  # fmt: skip
    close(y.reshape(LENGTH, -1), y_scan)
    close(states.reshape(len(KEEP), -1, STATE).swapaxes(1, 2), states_scan)
