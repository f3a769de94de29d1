"""DeltaProduct and DeltaNet against their equations, written out row by row with explicit matrices in NumPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import call

from alternax.core.errors import InputError
from alternax.layers import DeltaProduct, deltanet

LENGTH, DIM = 9, 3


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def paper(layer: DeltaProduct, x: np.ndarray) -> np.ndarray:
    """The equations of the module, head by head and step by step."""
    n, heads, size = layer.householders, layer.heads, layer.head_dim
    width = len(layer.kernel)
    projected = np.concatenate([np.zeros((width - 1, layer.kernel.shape[1])), x @ layer.input_weight.T])
    memory, y = np.zeros((heads, size, size)), []
    for t, x_t in enumerate(x):
        mixed = silu(np.sum(layer.kernel * projected[t : t + width], axis=0)).reshape(1 + 2 * n, heads, size)
        beta = sigmoid(layer.beta_weight @ x_t).reshape(n, heads) * (2 if layer.negative else 1)
        read = np.zeros((heads, size))
        for h in range(heads):
            if layer.decay_weight is not None:
                rate = np.exp(layer.rate_log[h]) * np.log1p(np.exp(layer.decay_weight[h] @ x_t + layer.decay_bias[h]))
                memory[h] *= np.exp(-rate)
            for j in range(n):
                k = mixed[1 + j, h] / np.linalg.norm(mixed[1 + j, h])
                v = mixed[1 + n + j, h]
                memory[h] = memory[h] @ (np.eye(size) - beta[j, h] * np.outer(k, k)) + beta[j, h] * np.outer(v, k)
            read[h] = memory[h] @ (mixed[0, h] / np.linalg.norm(mixed[0, h]))
        normed = layer.norm_weight * read / np.sqrt(np.mean(read**2, axis=1, keepdims=True) + 1e-5)
        gate = 1.0 if layer.gate_weight is None else silu(layer.gate_weight @ x_t)
        y.append(layer.output_weight @ (normed.ravel() * gate))
    return np.stack(y)


@pytest.mark.parametrize(
    ("build", "options"),
    [
        pytest.param(
            DeltaProduct,
            {"householders": 3, "heads": 2, "head_dim": 4, "chunk": 4, "decay": True, "gate": True},
            marks=pytest.mark.slow,
        ),
        (deltanet, {"conv_width": 1}),
    ],
)
def test_outputs_equal_the_paper_equations(build, options):
    layer = build(DIM, **options, key=jax.random.key(0))
    x = np.random.default_rng(0).normal(size=(LENGTH, DIM))
    want = paper(jax.tree.map(lambda v: np.asarray(v, np.float64) if eqx.is_array(v) else v, layer), x)
    np.testing.assert_allclose(call(layer, jnp.asarray(x, jnp.float32))[0], want, rtol=1e-3, atol=1e-3)


def test_negative_eigenvalues_are_what_the_option_allows():
    """A large input drives beta to its end: 2 reflects what is stored under the key, 1 replaces it."""
    x = jnp.full((1, DIM), 100.0)
    for negative, top in ((True, 2.0), (False, 1.0)):
        layer = DeltaProduct(DIM, negative=negative, key=jax.random.key(1))
        layer = eqx.tree_at(lambda m: m.beta_weight, layer, jnp.ones_like(layer.beta_weight))
        np.testing.assert_allclose(layer._strengths(x)[0], top, rtol=1e-6)


def permuting_layer() -> DeltaProduct:
    """Weights by hand: input symbols 0..5 act as the permutations of three, symbol 6 writes the identity."""
    swap = {(0, 1): [1, -1, 0], (1, 2): [0, 1, -1], (0, 2): [1, 0, -1]}
    words = [[], [(0, 1)], [(1, 2)], [(0, 2)], [(0, 1), (1, 2)], [(1, 2), (0, 1)]]
    layer = DeltaProduct(7, heads=1, head_dim=3, householders=3, conv_width=1, key=jax.random.key(2))
    # The rows of the projection: q, three keys, three values; SiLU is undone entry by entry, |SiLU| < .278 below zero.
    wanted = np.zeros((7, 3, 7))
    wanted[0] = np.array([0.1, 0.2, 0.4])[:, None]
    for symbol, word in enumerate(words):
        for j, pair in enumerate(word):
            wanted[1 + j, :, symbol] = 0.2 * np.array(swap[pair])
    wanted[1:4, :, 6] = wanted[4:7, :, 6] = 0.2 * np.eye(3)
    grid = np.linspace(-1.2, 3.0, 400_001)
    inverse = np.interp(wanted, silu(grid), grid)
    beta = np.where(np.abs(wanted[1:4]).sum(1) > 0, 40.0, 0.0)  # 2 s(40) is 2 in single precision
    beta[:, 6] = 0.0  # written with beta 1
    return eqx.tree_at(
        lambda m: (m.input_weight, m.kernel, m.beta_weight),
        layer,
        [jnp.asarray(v, jnp.float32) for v in (inverse.reshape(21, 7), np.ones((1, 21)), beta)],
    )


@pytest.mark.slow
def test_a_layer_with_hand_set_weights_tracks_permutations_of_three():
    """The word problem of S3 far beyond any length it could have been fitted to; see also the kernel's own test."""
    permutations = [(0, 1, 2), (1, 0, 2), (0, 2, 1), (2, 1, 0), (1, 2, 0), (2, 0, 1)]
    symbols = np.append(6, np.random.default_rng(3).integers(6, size=150))
    layer = permuting_layer()
    _, state = call(layer, jnp.asarray(np.eye(7)[symbols], jnp.float32), keep=jnp.arange(151))
    product, scale = np.eye(3), float(state.memory[0, 0, 0, 0])
    assert scale > 0.1
    for symbol, memory in zip(symbols[1:], state.memory[1:], strict=True):
        # Symbols without a swap in a step still write v k^T = 0.
        product = product @ np.eye(3)[:, list(permutations[symbol])]
        np.testing.assert_allclose(memory[0] / scale, product, atol=2e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "DeltaProduct: dim must be at least 1, found 0"),
        ({"householders": 0}, "householders must be at least 1, found 0"),
        ({"conv_width": 0}, "conv_width must be at least 1, found 0"),
        ({"heads": 0}, "heads must be at least 1, found 0"),
        ({"head_dim": 2}, "head_dim=2 does not divide the width 3"),
        ({"chunk": -1}, "chunk must be at least 1, found -1"),
    ],
)
def test_refuses_what_it_cannot_build(options, message):
    with pytest.raises(InputError, match=message):
        DeltaProduct(options.pop("dim", DIM), **options, key=jax.random.key(0))
