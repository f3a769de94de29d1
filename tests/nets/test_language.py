"""The language model around a stack: its head, its state, its refusals."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.files import load, save
from alternax.layers import GRU, TwoWay
from alternax.nets import Language

TOKENS = jnp.array([3, 0, 6, 6, 1])


@pytest.fixture(scope="module")
def language() -> Language:
    return Language(7, GRU(4, key=jax.random.key(0)), tied=False, key=jax.random.key(1))


def by_hand(language, tokens):
    """Row by row, in NumPy but for the layer."""
    y = np.asarray(language.blocks(language.embedding[tokens])[0])
    normed = y / np.sqrt(np.mean(y**2, axis=1, keepdims=True) + 1e-5) * np.asarray(language.norm.weight)
    return normed @ np.asarray(language.embedding if language.head is None else language.head).T


@pytest.mark.parametrize("tied", [False, True])
def test_logits_are_those_of_the_equations(language, tied):
    language = Language(7, language.blocks, tied=tied, key=jax.random.key(1))
    assert (language.head is None) == tied
    np.testing.assert_allclose(language(TOKENS)[0], by_hand(language, TOKENS), rtol=1e-5, atol=1e-6)


def test_steps_and_halves_equal_the_whole(language):
    whole, last = language(TOKENS)
    first, state = language(TOKENS[:2])
    second, _ = language(TOKENS[2:], state)
    np.testing.assert_allclose(jnp.concatenate([first, second]), whole, rtol=1e-5, atol=1e-6)
    state = language.init_state()
    for token, want in zip(TOKENS, whole, strict=True):
        logits, state = language.step(token, state)
        np.testing.assert_allclose(logits, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state, last, rtol=1e-5, atol=1e-6)


def test_keywords_reach_the_layers(language):
    resets, valid = jnp.arange(5) == 3, jnp.arange(5) != 2
    logits, states = language(TOKENS, resets=resets, valid=valid, keep=jnp.array([1, 2]))
    np.testing.assert_allclose(logits[3:], language(TOKENS[3:])[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(states[0], states[1])


def test_is_saved_and_loaded(language, tmp_path):
    loaded, _ = load(save(language, {}, tmp_path / "run"))
    np.testing.assert_array_equal(loaded(TOKENS)[0], language(TOKENS)[0])


def test_a_token_that_is_none_is_seen_inside_a_transformation(language):
    step = eqx.filter_jit(language.step)
    for token in (-1, 7):
        assert np.isnan(step(jnp.array(token), language.init_state())[0]).all()


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (jnp.array([0, 7]), "expected tokens from 0 to 6, found 7 at row 1"),
        (jnp.array([-1, 0]), "expected tokens from 0 to 6, found -1 at row 0"),
        (jnp.array([0.0]), "expected a sequence of integers .time,., found float32"),
        (jnp.array([[0]]), r"expected a sequence of integers \(time,\), found int32 of shape \(1, 1\)"),
        (jnp.zeros(0, int), r"expected a sequence of integers \(time,\), found int32 of shape \(0,\)"),
    ],
)
def test_refuses_what_is_no_sequence_of_tokens(language, tokens, message):
    with untyped(), pytest.raises(InputError, match=message):
        language(tokens)


def test_refuses_a_step_of_several_tokens(language):
    with untyped(), pytest.raises(InputError, match="expected one integer, found int32 of shape"):
        language.step(TOKENS, language.init_state())


def test_refuses_what_makes_no_model(language):
    with pytest.raises(InputError, match="Language: vocabulary must be at least 1, found 0"):
        Language(0, language.blocks, key=jax.random.key(0))
    with untyped(), pytest.raises(InputError, match="TwoWay"):
        Language(7, TwoWay(language.blocks, language.blocks), key=jax.random.key(0))
