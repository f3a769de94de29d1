"""Bodies by name: the parallel form is the one-step form, silent columns have no effect, two-way maps are refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.core.layer import Mixer
from alternax.layers import LRU
from alternax.nets import body, silence

KEY = jax.random.key(0)
KINDS = ("affine", "mlp", "lru", "gru", LRU(4, key=KEY))
ROWS, IN_DIM, OUT_DIM = 8, 3, 5


call = eqx.filter_jit(lambda net, x, **options: net(x, **options))
gradient_of_square = eqx.filter_jit(eqx.filter_grad(lambda net, x: jnp.sum(net(x)[0] ** 2)))


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind if isinstance(kind, str) else "instance")
def net(request):
    return body(request.param, IN_DIM, OUT_DIM, width=6, depth=2, key=jax.random.key(1))


@pytest.fixture(scope="module")
def x():
    return jnp.asarray(np.random.default_rng(0).normal(size=(ROWS, IN_DIM)), jnp.float32)


@pytest.fixture(scope="module")
def dt():
    return jnp.linspace(0.5, 2.0, ROWS)


def test_call_equals_step_by_step_also_with_masks(net, x, dt):
    valid, resets, keep = jnp.arange(ROWS) != 2, jnp.arange(ROWS) == 5, jnp.array([1, 6])
    y, kept = call(net, x, valid=valid, resets=resets, dt=dt, keep=keep)
    step = eqx.filter_jit(net.step)
    state, states = net.init_state(), []
    for t in range(ROWS):
        if t == 5:
            state = net.init_state()
        if t != 2:
            y_t, state = step(x[t], state, dt=dt[t])
            np.testing.assert_allclose(y[t], y_t, rtol=1e-4, atol=1e-5)
        states.append(state)
    want = jax.tree.map(lambda *leaves: jnp.stack(leaves)[keep], *states)
    jax.tree.map(lambda w, k: np.testing.assert_allclose(k, w, rtol=1e-4, atol=1e-5), want, kept)
    assert jax.tree.structure(want) == jax.tree.structure(kept)


def test_silent_columns_have_no_effect_but_can_be_trained(net, x):
    quiet = silence(net, 1, 3)
    y, _ = call(quiet, x)
    np.testing.assert_array_equal(call(quiet, x.at[:, 1:].add(100.0))[0], y)
    assert not np.allclose(call(quiet, x.at[:, 0].add(1.0))[0], y)
    assert not np.allclose(call(net, x.at[:, 1:].add(1.0))[0], call(net, x)[0])
    assert np.abs(gradient_of_square(quiet, x).first.weight[:, 1:]).max() > 0


def test_affine_and_mlp_read_each_row_by_itself(x):
    for kind in ("affine", "mlp"):
        net = body(kind, IN_DIM, OUT_DIM, width=6, depth=2, key=KEY)
        y, state = net(x)
        assert state == ()
        np.testing.assert_allclose(net(x[::-1])[0], y[::-1], rtol=1e-5, atol=1e-6)
    affine = body("affine", IN_DIM, OUT_DIM, key=KEY)
    np.testing.assert_allclose(affine(x)[0], x @ affine.net.weight.T + affine.net.bias, rtol=1e-5, atol=1e-6)


def test_stacks_have_the_width_and_depth_asked_for():
    net = body("lru", IN_DIM, OUT_DIM, width=6, depth=3, key=KEY)
    assert (net.layer.dim, len(net.layer.layers)) == (6, 3)
    layer = LRU(4, key=KEY)
    assert body(layer, IN_DIM, OUT_DIM, width=6, key=KEY).layer is layer


class Mean(Mixer):
    dim: int = 3

    def __call__(self, x, *, valid=None, key=None):
        return jnp.broadcast_to(x.mean(0), x.shape)


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda: body(Mean(), 3, 3, key=KEY), "body: Mean is a Mixer, which reads future rows; .* give a Layer"),
        (
            lambda: body("lstn", 3, 3, key=KEY),
            "unknown kind 'lstn'; choose affine, mlp, .*gru, .*lru, .*or give a Layer",
        ),
        (lambda: body("mlp", 0, 3, key=KEY), "body: in_dim must be at least 1, found 0"),
        (lambda: body("mlp", 3, 3, width=0, key=KEY), "body: width must be at least 1, found 0"),
        (lambda: silence(body("affine", 3, 3, key=KEY), 2, 4), "columns 2 to 4 are not within the 3 inputs"),
        (lambda: body("mlp", 3, 3, key=KEY)(jnp.ones((4, 2))), r"shape \(time, 3\), found \(4, 2\)"),
        (lambda: body("lru", 3, 3, key=KEY)(jnp.ones(3)), r"shape \(time, 3\), found \(3,\)"),
        (lambda: body("affine", 3, 3, key=KEY).step(jnp.ones(4), ()), r"shape \(3,\), found \(4,\)"),
    ],
)
def test_refuses_by_name(refused, message):
    with untyped(), pytest.raises(InputError, match=message):
        refused()
