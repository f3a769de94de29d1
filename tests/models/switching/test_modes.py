"""Modes against the sum over every sequence of them, in the plain loop, and where the true ones are known."""

from itertools import pairwise, product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

import alternax as ax
from alternax.core.sequence import Sequence
from alternax.models.switching.modes import filter_modes, smooth_modes

LENGTH, MODES = 6, 3


def tables(seed: int = 0):
    """Log-weights, initial and transition log-probabilities."""
    rng = np.random.default_rng(seed)
    normal = lambda a: a - np.log(np.exp(a).sum(-1, keepdims=True))  # noqa: E731
    drawn = rng.normal(size=(LENGTH, MODES)), normal(rng.normal(size=MODES)), normal(rng.normal(size=(MODES, MODES)))
    return tuple(jnp.asarray(v) for v in drawn)


def enumerated(weights, initial, transition) -> tuple[np.ndarray, np.ndarray, float]:
    """Probabilities of the mode given rows so far and given all, and log p(x), over all sequences of s_0 ... s_T."""
    weights, initial, transition = (np.asarray(v) for v in (weights, initial, transition))
    given, total = np.zeros((2, LENGTH, MODES)), 0.0
    for until in range(1, LENGTH + 1):
        joint = np.zeros((until, MODES))
        for path in product(range(MODES), repeat=until + 1):
            steps = sum(transition[a, b] + weights[t, b] for t, (a, b) in enumerate(pairwise(path)))
            for t in range(until):
                joint[t, path[t + 1]] += np.exp(initial[path[0]] + steps)
        given[0, until - 1] = joint[-1] / joint[-1].sum()
        given[1], total = joint_or(given[1], joint, until), np.log(joint[0].sum())
    return given[0], given[1], total


def joint_or(before: np.ndarray, joint: np.ndarray, until: int) -> np.ndarray:
    return joint / joint.sum(1, keepdims=True) if until == LENGTH else before


@pytest.mark.float64
def test_filter_smoother_and_likelihood_are_the_sums_over_all_sequences_of_modes():
    weights, initial, transition = tables()
    everything, none = jnp.ones(LENGTH, bool), jnp.zeros(LENGTH, bool)
    before, after, gained = jax.jit(filter_modes)(weights, initial, initial, transition, everything, none)
    smoothed = jax.jit(smooth_modes)(before, after, transition, everything, none)
    filtered, given_all, total = enumerated(weights, initial, transition)
    np.testing.assert_allclose(np.exp(after), filtered, rtol=1e-12)
    np.testing.assert_allclose(np.exp(smoothed), given_all, rtol=1e-12)
    assert float(gained.sum()) == pytest.approx(total, rel=1e-12)


@pytest.mark.float64
def test_padding_changes_nothing_and_a_reset_parts_two_sequences():
    weights, initial, transition = tables(1)
    alone = jax.jit(lambda w: _both(w, initial, transition, jnp.ones(len(w), bool), jnp.zeros(len(w), bool)))
    first, second = alone(weights[:3]), alone(weights[3:])
    # Padding before the first, between and after the second; the reset stands on the first row behind the padding.
    rows = np.array([0, 0, 1, 2, 0, 3, 4, 5, 0])
    valid = jnp.array([0, 1, 1, 1, 0, 1, 1, 1, 0], bool)
    resets = jnp.arange(9) == 5
    packed = jax.jit(lambda w: _both(w, initial, transition, valid, resets))(weights[rows])
    for found, a, b in zip(packed, first, second, strict=True):
        np.testing.assert_allclose(found[valid], np.concatenate([a, b]), rtol=1e-12)


def _both(weights, initial, transition, valid, resets):
    before, after, gained = filter_modes(weights, initial, initial, transition, valid, resets)
    return after, smooth_modes(before, after, transition, valid, resets), gained


ROWS = 500


@pytest.fixture(scope="module")
def switched() -> tuple[np.ndarray, np.ndarray]:
    """A point that turns to the left or slowly to the right, and which it did."""
    rng = np.random.default_rng(0)
    turn = lambda angle: 0.99 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])  # noqa: E731
    x, mode = np.zeros((ROWS, 2)), np.zeros(ROWS, int)
    x[0] = 1.0
    for t in range(1, ROWS):
        mode[t] = mode[t - 1] ^ (rng.random() < 0.04)
        x[t] = turn((0.7, -0.25)[mode[t]]) @ x[t - 1] + 0.1 * rng.normal(size=2)
    return x, mode


def test_true_modes_are_found_and_what_comes_after_is_told_apart_from_what_is_known(switched):
    """At nineteen rows of twenty and more; given all rows no worse than given those so far."""
    x, mode = switched
    data = ax.Sequences.from_numpy(x)
    settings = {"latent_dim": 3, "ftn": "affine", "otn": "affine", "alpha": 0.97, "residual": None, "noise": "learned"}
    training = {"steps": 250, "every": 125, "window": 100, "batch": 8, "learning_rate": 1e-2, "valid": None}
    model = ax.SwitchingAlternator(2, modes=2, **settings, key=jax.random.key(0))
    fitted = ax.fit(model, data, **training)
    found = fitted.modes(data)
    known = fitted.modes(data, smoothed=False)
    hits = [(result.most_likely == mode)[1:].mean() for result in (found, known)]
    hits = [max(hit, 1 - hit) for hit in hits]
    print(f"right: {hits[0]:.3f} given all rows, {hits[1]:.3f} given those so far")
    assert hits[0] >= hits[1] >= 0.95
    np.testing.assert_allclose(found.probabilities.sum(-1), 1.0, rtol=1e-5)
    assert list(found.to_frame()["feature"].unique()) == ["mode0", "mode1"]
    assert found.to_xarray().dims == ("time", "mode")


def test_decoded_targets_are_the_modes_by_their_probabilities():
    model = ax.SwitchingAlternator(2, modes=2, latent_dim=2, target_dim=1, ftn="affine", otn="affine", width=4, key=KEY)
    seq = Sequence.build(jnp.asarray(np.random.default_rng(0).normal(size=(5, 2)), jnp.float32))
    mean, var = eqx.filter_jit(lambda m: m.filter(seq, key=KEY))(model)
    assert mean.shape == var.shape == (5, model.latent_dim) == (5, 6)
    each = [jax.tree.map(lambda a, k=k: a[k] if eqx.is_array(a) else a, model.alternators) for k in range(2)]
    decode = eqx.filter_jit(lambda m, *moments: m.decode(*moments))
    parts = [decode(one, mean[:, 2 * k : 2 * k + 2], var[:, 2 * k : 2 * k + 2]) for k, one in enumerate(each)]
    share = np.asarray(mean[:, 4:])[..., None]
    centre = sum(share[:, k] * parts[k][0] for k in range(2))
    spread = sum(share[:, k] * (parts[k][1] ** 2 + (parts[k][0] - centre) ** 2) for k in range(2))
    found, scale = decode(model, mean, var)
    np.testing.assert_allclose(found, centre, rtol=1e-5)
    np.testing.assert_allclose(scale, np.sqrt(spread), rtol=1e-5)


KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"modes": 1}, "modes must be an integer of at least 2; found 1"),
        ({"stay": 1.0}, "stay must lie between 0 and 1; found 1"),
        ({"gap": "draw"}, "holds its latents over gaps: leave out gap="),
        ({"operator": ax.Operator(jnp.eye(2))}, "has no observation operator"),
        ({"noise": [ax.families.Poisson()] * 2}, "takes its noise by name"),
    ],
)
def test_what_it_cannot_hold_is_refused(settings, message):
    with untyped(), pytest.raises(ax.InputError, match=message):
        ax.SwitchingAlternator(2, latent_dim=2, **settings, key=KEY)


def test_a_model_without_modes_is_refused_and_a_rollout_score_of_modes():
    data = ax.Sequences.from_numpy(np.zeros((8, 2)))
    model = ax.SwitchingAlternator(2, latent_dim=2, ftn="affine", otn="affine", key=KEY)
    with pytest.raises(ax.InputError, match="draws that are differentiable; this model has modes"):
        ax.RolloutScore().check(model, data.schema)
