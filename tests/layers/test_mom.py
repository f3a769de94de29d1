"""MoM against its equations, written out row by row and memory by memory in NumPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import call

from alternax.core.errors import InputError
from alternax.layers import MoM

LENGTH, DIM = 9, 3


@pytest.fixture(scope="module")
def layer() -> MoM:
    return MoM(DIM, memories=3, active=2, heads=2, head_dim=2, chunk=4, key=jax.random.key(0))


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(LENGTH, DIM)).astype(np.float32)


def silu(v):
    return v / (1 + np.exp(-v))


def paper(layer: MoM, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outputs, and the memories after every row `(time, memory, head, value, key)`."""
    heads, size, count = layer.heads, layer.head_dim, layer.memories + 1
    width = len(layer.kernel)
    projected = np.concatenate([np.zeros((width - 1, layer.kernel.shape[1])), x @ layer.input_weight.T])
    memory, y, states = np.zeros((count, heads, size, size)), [], []
    for t, x_t in enumerate(x):
        mixed = silu(np.sum(layer.kernel * projected[t : t + width], axis=0)).reshape(1 + 2 * count, heads, size)
        logits = layer.router_weight @ x_t
        largest = np.argsort(-logits)[: layer.active]
        p = np.exp(logits) / np.exp(logits).sum()
        beta = (1 / (1 + np.exp(-layer.beta_weight @ x_t))).reshape(count, heads)
        rate = np.exp(layer.rate_log) * np.log1p(np.exp(layer.decay_weight @ x_t + layer.decay_bias))
        read = np.zeros((heads, size))
        for m in [*largest, count - 1]:
            share = 1.0 if m == count - 1 else p[m] / p[largest].sum()
            for h in range(heads):
                q, k, v = (mixed[i, h] for i in (0, 1 + m, 1 + count + m))
                q, k = q / np.linalg.norm(q), k / np.linalg.norm(k)
                householder = np.eye(size) - beta[m, h] * np.outer(k, k)
                decay = np.exp(-rate.reshape(count, heads)[m, h])
                memory[m, h] = decay * memory[m, h] @ householder + beta[m, h] * np.outer(v, k)
                read[h] += share * memory[m, h] @ q
        normed = layer.norm_weight * read / np.sqrt(np.mean(read**2, axis=1, keepdims=True) + 1e-5)
        y.append(layer.output_weight @ (normed.ravel() * silu(layer.gate_weight @ x_t)))
        states.append(memory.copy())
    return np.stack(y), np.stack(states)


@pytest.mark.slow
def test_outputs_and_memories_equal_the_paper_equations(layer, x):
    want, memories = paper(jax.tree.map(lambda v: np.asarray(v, np.float64) if eqx.is_array(v) else v, layer), x)
    y, state = call(layer, jnp.asarray(x), keep=jnp.arange(LENGTH))
    np.testing.assert_allclose(y, want, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(state.memory.reshape(memories.shape), memories, rtol=1e-3, atol=1e-4)


def test_memories_that_a_row_is_not_sent_to_are_held_exactly(layer, x):
    _, state = call(layer, jnp.asarray(x), keep=jnp.arange(LENGTH))
    memory = np.asarray(state.memory).reshape(LENGTH, 4, -1)
    _, sent = jax.lax.top_k(jnp.asarray(x) @ layer.router_weight.T, 2)
    for t in range(1, LENGTH):
        for m in range(4):
            changed = np.any(memory[t, m] != memory[t - 1, m])
            assert changed == (m == 3 or m in sent[t])


def test_all_memories_active_share_by_the_softmax():
    every = MoM(DIM, memories=3, active=3, heads=1, head_dim=2, key=jax.random.key(1))
    shares, sent = every._routed(jnp.ones(DIM))
    np.testing.assert_allclose(shares[:3], jax.nn.softmax(every.router_weight @ jnp.ones(DIM)), rtol=1e-6)
    assert shares[3] == 1 and sent.all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "MoM: dim must be at least 1, found 0"),
        ({"memories": 0}, "memories must be at least 1, found 0"),
        ({"active": 5}, "at most memories=4 active ones, found active=5"),
        ({"head_dim": 2}, "head_dim=2 does not divide the width 3"),
        ({"chunk": 0}, "chunk must be at least 1, found 0"),
    ],
)
def test_refuses_what_it_cannot_build(options, message):
    with pytest.raises(InputError, match=message):
        MoM(options.pop("dim", DIM), **options, key=jax.random.key(0))
