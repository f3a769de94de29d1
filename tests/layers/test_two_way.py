"""Two causal layers as a map that sees both ways."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.layers import GRU, LRU, TwoWay

LENGTH = 7


@pytest.fixture(scope="module")
def layers():
    return LRU(3, key=jax.random.key(0)), GRU(3, key=jax.random.key(1))


def rows(seed):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(LENGTH, 3)), jnp.float32)


def test_is_the_sum_of_a_run_forwards_and_a_run_backwards(layers):
    x = rows(0)
    ahead, back = layers[0](x)[0], layers[1](x[::-1])[0][::-1]
    np.testing.assert_allclose(TwoWay(*layers)(x), ahead + back, rtol=1e-6)


def test_padding_anywhere_changes_nothing(layers):
    x, mixer = rows(1), TwoWay(*layers)
    valid = jnp.array([False, True, True, False, True, True, False])
    y, dirty = mixer(x, valid=valid), mixer(jnp.where(valid[:, None], x, 1e6), valid=valid)
    np.testing.assert_array_equal(dirty[valid], y[valid])
    np.testing.assert_allclose(mixer(x[valid]), y[valid], rtol=1e-5, atol=1e-6)


def test_every_row_sees_every_other(layers):
    slopes = jax.jit(jax.jacrev(lambda x: jnp.sum(TwoWay(*layers)(x), axis=1)))(rows(2))
    assert (jnp.abs(slopes).sum(-1) > 0).all()


def test_refuses_what_is_not_a_pair_of_causal_layers(layers):
    with pytest.raises(InputError, match="TwoWay: expected two layers of one width, found 3 and 4"):
        TwoWay(layers[0], GRU(4, key=jax.random.key(2)))
    with untyped(), pytest.raises(InputError, match="TwoWay: TwoWay is a Mixer, which reads future rows"):
        TwoWay(layers[0], TwoWay(*layers))
