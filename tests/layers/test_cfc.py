"""CfC against ncps on the same weights with time gaps, its options, and the limits of its closed form."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file
from untyped import untyped

from alternax.core.errors import InputError
from alternax.layers import CfC

GOLDEN = load_file(Path(__file__).parents[1] / "golden" / "layers" / "cfc.safetensors")
KEY = jax.random.key(0)


def recorded(mode: str, depth: int) -> tuple[CfC, np.ndarray]:
    """The layer with the recorded weights, and the recorded outputs."""
    prefix = f"{mode}.{depth}."
    ncps = {k.removeprefix(prefix): jnp.asarray(v) for k, v in GOLDEN.items() if k.startswith(prefix)}
    heads = ["ff1"] if mode == "pure" else ["ff1", "ff2", "time_a", "time_b"]
    join = lambda kind: jnp.concatenate([ncps[f"{head}.{kind}"] for head in heads])  # noqa: E731
    dense = [(ncps[f"backbone.{2 * i}.weight"], ncps[f"backbone.{2 * i}.bias"]) for i in range(depth)]
    (first, bias), *rest = [*dense, (join("weight"), join("bias"))]
    layer = CfC(4, mode=mode, units=6, depth=depth, key=KEY)
    places = lambda layer: [layer.input_weight, layer.state_weight, layer.bias]  # noqa: E731
    layer = eqx.tree_at(places, layer, [first[:, :4], (first[:, 4:],), bias])
    if depth:
        places = lambda layer: [v for dense in layer.dense for v in (dense.weight, dense.bias)]  # noqa: E731
        layer = eqx.tree_at(places, layer, [v for pair in rest for v in pair])
    if mode == "pure":
        free = lambda layer: (layer.time_constant, layer.asymptote)  # noqa: E731
        layer = eqx.tree_at(free, layer, (ncps["w_tau"][0], ncps["A"][0]))
    return layer, ncps["y"]


@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("mode", ["default", "no_gate", "pure"])
def test_equals_ncps_on_the_same_weights(mode, depth):
    layer, want = recorded(mode, depth)
    y, last = layer(jnp.asarray(GOLDEN["x"]), dt=jnp.asarray(GOLDEN["dt"]))
    np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(last, want[-1], rtol=1e-5, atol=1e-5)


def test_a_long_gap_ends_at_the_asymptote_in_the_pure_mode():
    layer = CfC(3, mode="pure", key=KEY)
    layer = eqx.tree_at(lambda layer: layer.asymptote, layer, jnp.array([1.0, -2.0, 0.5]))
    y, _ = layer(jnp.ones((1, 3)), dt=jnp.array([1e6]))
    np.testing.assert_allclose(y[0], layer.asymptote, rtol=1e-6)


def test_low_rank_and_sparse_recurrent_weights():
    layer = CfC(40, units=50, rank=2, key=KEY)
    assert np.linalg.matrix_rank(layer._weight()) == 2
    zero = np.mean(np.asarray(CfC(40, units=50, sparsity=0.75, key=KEY)._weight()) == 0)
    assert zero == pytest.approx(0.75, abs=4 * np.sqrt(0.75 * 0.25 / 2000))


def test_cut_connections_have_no_gradient():
    layer = CfC(3, sparsity=0.5, key=KEY)
    gradient = jax.grad(
        lambda weight: jnp.sum(eqx.tree_at(lambda m: m.state_weight, layer, weight)(jnp.ones((4, 3)))[0])
    )
    (found,) = gradient(layer.state_weight)
    np.testing.assert_array_equal(found == 0, ~np.asarray(layer.connected))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "fast"}, "CfC: unknown mode 'fast'; choose from 'default', 'no_gate', 'pure'"),
        ({"units": 0}, "CfC: units must be at least 1, found 0"),
        ({"rank": 0}, "CfC: rank must be at least 1, found 0"),
        ({"depth": -1}, "depth >= 0 and 0 <= sparsity < 1, found -1 and 0.0"),
        ({"sparsity": 1.0}, "depth >= 0 and 0 <= sparsity < 1, found 1 and 1.0"),
    ],
)
def test_refuses_impossible_sizes(options, message):
    with untyped(), pytest.raises(InputError, match=message):
        CfC(3, **options, key=KEY)
