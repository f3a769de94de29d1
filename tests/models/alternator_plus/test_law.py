"""Alternator++ against its equations in NumPy, the exact law of affine parts, and integrals over its latent."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from models.alternator_plus.naive import SIGMA_X, SIGMA_Z, Naive, noise, small
from scipy.stats import multivariate_normal, norm

from alternax.core.errors import InputError
from alternax.core.sequence import Sequence
from alternax.inference import kalman_filter, log_evidence

KEY, PATHS = jax.random.key(3), 4000
pytestmark = pytest.mark.float64


def test_unroll_equals_the_equations():
    model, x = small(), np.random.default_rng(0).normal(size=(5, 2))
    params, log_weights, states = jax.jit(lambda seq: model.unroll(seq, key=KEY, keep=jnp.arange(5)))(
        Sequence.build(jnp.asarray(x))
    )
    maps, z = Naive(model), noise(KEY, 0, 3)
    for t, row in enumerate(x):
        mean = maps.mean_x(z, t)
        np.testing.assert_allclose(params["loc"][t], mean, rtol=1e-9)
        assert float(log_weights[t]) == pytest.approx(norm.logpdf(row, mean, SIGMA_X).sum(), rel=1e-9)
        np.testing.assert_allclose(states.z[t], maps.mean_z(z, row, t), rtol=1e-9)
        z = maps.mean_z(z, row, t) + SIGMA_Z * noise(KEY, t + 1, 3)


def affine_law(weights: dict[str, np.ndarray], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of x_{1:length} as a linear map of all independent noises; every net is W v + w."""
    maps = Naive(small())
    noises = iter(np.eye(3 + length * 5))
    draw = lambda width: np.stack([next(noises) for _ in range(width)])  # noqa: E731
    z, spread, means, rows = np.zeros(3), draw(3), [], []
    for t in range(length):
        signal, rest, kept, carried = maps.shares(t)
        of_z = signal * weights["f"] + rest * weights["e_psi"]
        shift = signal * weights["f0"] + rest * weights["e_psi0"]
        means.append(of_z @ z + shift)
        rows.append(of_z @ spread + SIGMA_X * draw(2))
        of_x, of_z = kept * weights["g"] + carried * weights["e_nu_x"], carried * weights["e_nu_z"]
        shift = kept * weights["g0"] + carried * weights["e_nu0"]
        z, spread = of_x @ means[-1] + of_z @ z + shift, of_x @ rows[-1] + of_z @ spread + SIGMA_Z * draw(3)
    stacked = np.concatenate(rows)
    return np.concatenate(means), stacked @ stacked.T


def affine_weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    shapes = {"f": (2, 3), "f0": 2, "e_psi": (2, 3), "e_psi0": 2, "g": (3, 2), "g0": 3, "e_nu_x": (3, 2)}
    return {name: rng.normal(size=shape) for name, shape in (shapes | {"e_nu_z": (3, 3), "e_nu0": 3}).items()}


def affine_model(w: dict[str, np.ndarray]):
    """What else the nets see in complete, regular data is 0: weights there must not matter."""
    places = lambda m: (  # noqa: E731
        m.base.otn.net.weight, m.base.otn.net.bias, m.psi.net.weight, m.psi.net.bias, m.base.ftn.net.weight,
        m.base.ftn.net.bias, m.nu.of_row.weight, m.nu.of_row.bias, m.nu.of_state.weight,
    )  # fmt: skip
    unseen = lambda a: jnp.asarray(np.hstack([a, np.full((len(a), 2), 50.0)]))  # noqa: E731
    values = (
        unseen(w["f"]), w["f0"], unseen(w["e_psi"]), w["e_psi0"], unseen(w["g"]), w["g0"], unseen(w["e_nu_x"]),
        w["e_nu0"], w["e_nu_z"],
    )  # fmt: skip
    model = small(ftn="affine", otn="affine", noise_nets="affine")
    return eqx.tree_at(places, model, tuple(jnp.asarray(value) for value in values))


@pytest.fixture(scope="module")
def affine_paths():
    """Paths of four rows of such a model, `(PATHS, rows * columns)`."""
    controls, dts = jnp.zeros((4, 0)), jnp.ones(4)

    @eqx.filter_jit
    def paths(model):
        path = lambda key: model.rollout(model.init(key=key), 4, controls=controls, dts=dts, key=key)  # noqa: E731
        return jax.vmap(path)(jax.random.split(jax.random.key(9), PATHS)).reshape(PATHS, -1)

    return paths


@pytest.mark.parametrize("noise_models", ["none", "affine"])
def test_paths_of_affine_parts_have_the_exact_mean_and_covariance(noise_models, affine_paths):
    weights = affine_weights()
    if noise_models == "none":
        weights |= {name: 0 * value for name, value in weights.items() if name.startswith("e_")}
    mean, covariance = affine_law(weights, 4)
    found = np.asarray(affine_paths(affine_model(weights)))
    deviation = np.sqrt(np.diag(covariance))
    assert np.all(np.abs(found.mean(0) - mean) < 4 * deviation / np.sqrt(PATHS))
    # Var of a sample covariance of Gaussians: (S_ii S_jj + S_ij^2) / n.
    error = np.sqrt((np.outer(deviation**2, deviation**2) + covariance**2) / PATHS)
    assert np.all(np.abs(np.cov(found.T) - covariance) < 4.5 * error)
    assert np.abs(covariance[:2, 2:4]).max() > 10 * error.min()


@pytest.mark.slow
def test_exact_inference_of_affine_parts_gives_their_likelihood():
    """By the Kalman filter of the model's chain, also of a row of which one entry is missing at the end."""
    model, x = affine_model(affine_weights()), np.random.default_rng(7).normal(size=(4, 2))
    x[3, 0] = np.nan
    seen, (mean, covariance) = ~np.isnan(x).ravel(), affine_law(affine_weights(), 4)
    want = multivariate_normal.logpdf(x.ravel()[seen], mean[seen], covariance[np.ix_(seen, seen)])
    found = eqx.filter_jit(lambda seq: kalman_filter(model.chain(seq, key=KEY)).gained.sum())(
        Sequence.build(jnp.asarray(x))
    )
    assert float(found) == pytest.approx(want, rel=1e-9)


def test_what_inference_a_model_allows_follows_from_its_parts():
    model = affine_model(affine_weights())
    assert model.chain_kind == "linear" and small().chain_kind == "markov"
    assert small(otn="gru").chain_kind == "path" and model.with_gap("draw").chain_kind is None
    with pytest.raises(InputError, match="with gap='draw' the latent depends on draws"):
        model.with_gap("draw").chain(Sequence.build(jnp.ones((2, 2))), key=KEY)


class Grid:
    """Integrals over a latent of one dimension, row by row."""

    points = np.linspace(-6, 6, 1201)[:, None]

    def __init__(self, model):
        self.maps, self.width = Naive(model), self.points[1, 0] - self.points[0, 0]
        self.density = norm.pdf(self.points[:, 0])

    def weigh(self, row: np.ndarray, t: int) -> None:
        """Times p(x_t | z_{t-1}): the density is then that of z_{t-1} and x_{1:t}."""
        self.density = self.density * norm.pdf(row[0], self.maps.mean_x(self.points, t)[:, 0], SIGMA_X)

    def move(self, row: np.ndarray, t: int) -> None:
        """From z_{t-1} to z_t given x_t."""
        mean = self.maps.mean_z(self.points, np.broadcast_to(row, self.points.shape), t)[:, 0]
        kernel = norm.pdf(self.points, mean, SIGMA_Z)
        self.density = kernel @ self.density * self.width

    def integral(self, of: np.ndarray | float = 1.0) -> float:
        return float(np.sum(of * self.density) * self.width)


@pytest.fixture(scope="module")
def strong():
    """One column and one latent dimension, with noise models that bend: their weights are three times the usual."""
    model = small(1, 1)
    bent = jax.tree.map(lambda v: 3 * v if eqx.is_array(v) else v, (model.psi, model.nu))
    return eqx.tree_at(lambda m: (m.psi, m.nu), model, bent)


@pytest.fixture(scope="module")
def line():
    return np.array([[0.7], [-0.4], [1.1]])


@pytest.fixture(scope="module")
def likelihood(strong, line):
    grid = Grid(strong)
    for t, row in enumerate(line):
        grid.weigh(row, t)
        grid.move(row, t)
    return grid.integral()


def is_unbiased(found: np.ndarray, want: float) -> bool:
    error = found.std(ddof=1) / math.sqrt(len(found))
    print(f"{found.mean():.6f} +- {error:.6f}, integral {want:.6f}")
    return error < 0.03 * want and abs(found.mean() - want) < 4 * error


def test_log_weights_are_an_unbiased_estimate_of_the_likelihood(strong, line, likelihood):
    seq = Sequence.build(jnp.asarray(line))
    logs = jax.jit(jax.vmap(lambda key: strong.unroll(seq, key=key)[1].sum()))(jax.random.split(KEY, PATHS))
    assert is_unbiased(np.exp(logs), likelihood)


@pytest.mark.slow
def test_particles_are_an_unbiased_estimate_of_the_likelihood(strong, line, likelihood):
    seq = Sequence.build(jnp.asarray(line))
    estimate = jax.jit(jax.vmap(lambda key: log_evidence(strong, seq, particles=64, key=key)[0]))
    assert is_unbiased(np.exp(estimate(jax.random.split(KEY, 400))), likelihood)


def test_filter_estimates_the_moments_of_the_latent_given_the_rows(strong, line):
    many, grid = strong.with_paths(PATHS), Grid(strong)
    mean, var = jax.jit(lambda seq: many.filter(seq, key=KEY))(Sequence.build(jnp.asarray(line)))
    for t, row in enumerate(line):
        grid.move(row, t)
        z = grid.points[:, 0]
        first = grid.integral(z)
        second, fourth = (grid.integral((z - first) ** power) for power in (2, 4))
        print(f"row {t}: mean {mean[t, 0]:.4f} want {first:.4f}, variance {var[t, 0]:.4f} want {second:.4f}")
        assert abs(float(mean[t, 0]) - first) < 4 * math.sqrt(second / PATHS)
        assert abs(float(var[t, 0]) - second) < 4 * math.sqrt((fourth - second**2) / PATHS)
    assert abs(first) > 0.1 and second > 1.05 * SIGMA_Z**2


@pytest.mark.slow
def test_filter_keeps_its_estimates_under_the_other_gap_rule(strong, line):
    """In complete data nothing is drawn, so that the rule does not matter."""
    seq, few = Sequence.build(jnp.asarray(line)), strong.with_paths(3)
    run = eqx.filter_jit(lambda model: model.filter(seq, key=KEY))
    for found, want in zip(run(few.with_gap("draw")), run(few), strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-12)
