"""Fingerprints tell runs apart, are the same in every process, and say in words what differs."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax.fit.fingerprint import differences, fingerprint


@dataclass(frozen=True)
class Inner:
    weight: float
    array: object = None


@dataclass(frozen=True)
class Outer:
    inner: Inner
    name: str = "outer"


class Plain:
    def __init__(self, size):
        self.size = size


def between(a, b) -> str:
    return differences(fingerprint(it=a), fingerprint(it=b))


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (1, 2, "it 1 there, 2 here"),
        (1.0, 1, "it 1.0 there, 1 here"),
        (0.1, 0.1 + 1e-17 * 2, "it 0.1 there, 0.10000000000000002 here"),
        (np.ones(3), np.ones(4), "it float64[3] there, float64[4] here"),
        (np.ones(3), np.ones(3, np.float32), "it float64[3] there, float32[3] here"),
        (np.zeros(3), -np.zeros(3), "another it"),
        (jnp.array([np.nan]), jnp.array([1.0]), "another it"),
        (jax.random.key(0), jax.random.key(1), "another it"),
        (np.array(["a", None], object), np.array(["b", None], object), "another it"),
        (Outer(Inner(1.0)), Outer(Inner(2.0)), "it.inner.weight 1.0 there, 2.0 here"),
        (Outer(Inner(1.0, Inner(1.0))), Outer(Inner(1.0, Inner(2.0))), "another it.inner.array"),
        (Plain(1), Plain(2), '[["size", 1]]] there, '),
        ({"a": 1}, {"a": 2}, 'it [["a", 1]] there, [["a", 2]] here'),
        (jnp.tanh, jnp.sin, "tanh"),
        (jax.nn.relu, jax.nn.gelu, "gelu"),
        (functools.partial(jnp.sum, axis=0), functools.partial(jnp.sum, axis=1), "there"),
        ("x" * 100, "y" * 100, "another it"),
        (None, "x" * 100, "another it"),
    ],
)
def test_what_differs_is_said(a, b, said):
    assert said in between(a, b)
    assert between(a, a) == between(b, b) == ""


def test_of_many_differences_some_are_listed():
    there, here = (fingerprint(**{f"setting{i}": value for i in range(9)}) for value in (1, 2))
    assert differences(there, here).endswith("setting4 1 there, 2 here; 4 more")


def test_something_new_is_a_difference():
    assert differences(fingerprint(a=1), fingerprint(a=1, b=2)) == "b nothing there, 2 here"


def test_neither_addresses_nor_the_order_of_hashes_enter():
    """So that every process finds the same; that it does is seen where training is killed."""
    assert fingerprint(it=object()) == fingerprint(it=object()) == {"it": '["builtins.object", "<object object>"]'}
    assert fingerprint(it=set("zyx")) == {"it": '["x", "y", "z"]'}
    assert fingerprint(it=jnp.tanh)["it"].endswith('tanh"')
