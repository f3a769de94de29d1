"""The loss of Alternator++ recomputed in NumPy, on trajectories whose noise is known, and by finite differences."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from models.alternator_plus.naive import SIGMA_X, SIGMA_Z, Naive, noise, small

import alternax as ax
from alternax.core.errors import InputError
from alternax.core.fixed import trainable
from alternax.core.model import draw_key
from alternax.core.sequence import Sequence
from alternax.data.schema import Schema
from alternax.models.alternator_plus.noise_matching import noise_of_observations
from alternax.models.alternator_plus.sequential import walk

LENGTH, KEY, RATIO = 5, jax.random.key(3), (SIGMA_Z / SIGMA_X) ** 2
double = pytest.mark.float64


@pytest.fixture(scope="module")
def decoder():
    """Two targets are the first coordinates of the latent."""
    return small(target_dim=2, decode="latent")


@pytest.fixture(scope="module")
def loss():
    """Loss and gradients in all weights, by the weight of the matching."""

    def value(weights, rest, seq, weight):
        return ax.NoiseMatching(weight)(eqx.combine(weights, rest), seq, key=KEY)

    run = eqx.filter_jit(eqx.filter_value_and_grad(value))
    return lambda model, seq, weight=1.0: run(*eqx.partition(model, trainable(model)), seq, jnp.asarray(weight))


def labelled() -> tuple[np.ndarray, np.ndarray, Sequence]:
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=(LENGTH, 2)), rng.normal(size=(LENGTH, 2))
    targets[2, 0] = np.nan
    return x, targets, Sequence.build(jnp.asarray(x), targets=jnp.asarray(targets))


class Path:
    """The model along labelled rows in NumPy: what is left of them, the noise there was, and the estimates of it."""

    def __init__(self, model, x, targets):
        maps, z, rows = Naive(model), noise(KEY, 0, 3), []
        for t, row in enumerate(x):
            known = z.copy()
            if t:
                known[:2] = np.where(np.isnan(targets[t - 1]), z[:2], targets[t - 1])
            signal, rest, kept, carried = maps.shares(t)
            mean, e_psi, e_nu = maps.mean_z(z, row, t), maps.e_psi(known), maps.e_nu(z, row)[:2]
            n_x = (row - signal * maps.f(known)) / rest
            n_z = (targets[t] - kept * maps.g(row)[:2]) / carried
            rows.append((row - maps.mean_x(known, t), mean[:2] - targets[t], n_x, e_psi, n_z, e_nu))
            z = mean + SIGMA_Z * noise(KEY, t + 1, 3)
        self.left_x, self.left_z, self.n_x, self.e_psi, self.n_z, self.e_nu = map(np.array, zip(*rows, strict=True))

    def matching(self, other: "Path") -> float:
        """This path's estimates against the noise of another."""
        return np.mean(np.square(self.e_psi - other.n_x)) + np.nanmean(np.square(self.e_nu - other.n_z))


@double
def test_loss_is_the_alternators_and_both_noise_models_against_what_the_signal_leaves(decoder, loss):
    x, targets, seq = labelled()
    path = Path(decoder, x, targets)
    plain = RATIO * np.mean(np.square(path.left_x)) + np.nanmean(np.square(path.left_z))
    for weight in (0.0, 2.5):
        want = plain + weight * path.matching(path)
        assert float(loss(decoder, seq, weight)[0]) == pytest.approx(want, rel=1e-8)


@double
def test_noise_to_match_is_the_noise_that_made_the_trajectory():
    """A path of the model's own, in data units behind a context scale: what it was drawn with is found again."""
    model = small(noise="learned", context=2, residual="change", beta=0.6)
    controls, dts = jnp.zeros((6, 0)), jnp.ones(6)

    @jax.jit
    def found(key):
        x = model.rollout(model.init(key=key), 6, controls=controls, dts=dts, key=key)
        path = walk(model, Sequence.build(x), model.init(key=key), key)
        return noise_of_observations(model, Sequence.build(x), path)

    n_x, e_psi, share = found(KEY)
    drawn = np.stack([np.asarray(jax.random.normal(draw_key(KEY, jnp.asarray(t)), (2,))) for t in range(6)])
    want = e_psi + SIGMA_X / np.sqrt(1 - 0.6 - SIGMA_X**2) * drawn
    np.testing.assert_allclose(share, np.sqrt(1 - 0.6 - SIGMA_X**2), rtol=1e-9)
    np.testing.assert_allclose(n_x, want, rtol=1e-7)


@double
def test_matching_trains_the_noise_models_towards_a_noise_that_is_given(decoder, loss):
    """Against finite differences with the noise held; f, which has no say in it, gets no gradient from it."""
    x, targets, seq = labelled()
    gradient = jax.tree.map(lambda a, b: b - a, loss(decoder, seq, 0.0)[1], loss(decoder, seq, 1.0)[1])
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient.base.otn))
    held, rng, step = Path(decoder, x, targets), np.random.default_rng(1), 1e-5
    for name in ("psi", "nu"):
        weights, rest = eqx.partition(getattr(decoder, name), eqx.is_array)
        flat, restore = ravel_pytree(weights)
        direction = rng.normal(size=flat.shape)
        sides = [
            Path(eqx.tree_at(lambda m, n=name: getattr(m, n), decoder, eqx.combine(restore(point), rest)), x, targets)
            for point in (flat + step * direction, flat - step * direction)
        ]
        slope = float(ravel_pytree(eqx.filter(getattr(gradient, name), eqx.is_array))[0] @ direction)
        assert slope == pytest.approx((sides[0].matching(held) - sides[1].matching(held)) / (2 * step), rel=1e-6)


@pytest.mark.slow
@double
def test_missing_entries_padding_and_the_rows_of_the_context_count_nothing(loss):
    model = small(context=2, noise="learned", beta=0.6)
    x = np.random.default_rng(2).normal(size=(7, 2))
    x[4, 0] = x[5] = np.nan
    valid = np.arange(7) < 6
    seq = Sequence.build(jnp.asarray(x), valid=jnp.asarray(valid))
    dirty = eqx.tree_at(lambda s: s.x, seq, jnp.where(seq.observed & seq.valid[:, None], seq.x, 1e3))
    want = loss(model, seq)
    for found, wanted in zip(jax.tree.leaves(loss(model, dirty)), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10)
    first = eqx.tree_at(lambda s: s.observed, seq, seq.observed.at[2:].set(False))
    assert float(loss(model, first)[0]) == 0.0 < float(want[0])


@pytest.mark.slow
@double
def test_where_no_share_is_left_to_noise_there_is_none_to_match(loss):
    """At their bounds the noise models have no part in x or z."""
    model = small(beta=1 - SIGMA_X**2, alpha=1 - SIGMA_Z**2)
    seq = Sequence.build(jnp.asarray(np.random.default_rng(0).normal(size=(LENGTH, 2))))
    (plain, _), (matched, gradient) = loss(model, seq, 0.0), loss(model, seq, 1.0)
    assert float(matched) == float(plain)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_what_the_objective_cannot_train_is_refused():
    schema = Schema(values=("a", "b"), kinds=("real",) * 2)
    other = ax.Alternator(2, latent_dim=2, ftn="affine", otn="affine", key=KEY)
    with pytest.raises(InputError, match=r"objective of AlternatorPlusPlus; found a Alternator\. Use CrossEntropy"):
        ax.NoiseMatching().check(other, schema)
    with pytest.raises(InputError, match=r"NoiseMatching needs a weight of at least 0; found -1"):
        ax.NoiseMatching(-1.0).check(small(), schema)
    ax.NoiseMatching(0.0).check(small(), schema)
