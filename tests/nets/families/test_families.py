"""Every family against scipy, its own integral and finite differences; draws against the law by their statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import call
from scipy import stats

from alternax.core.errors import InputError
from alternax.nets.families import (
    Bernoulli,
    Binned,
    Categorical,
    LogNormal,
    Mixture,
    NegativeBinomial,
    Normal,
    Poisson,
    StudentT,
)

CONTINUOUS = {
    "normal": Normal(),
    "student": StudentT(),
    "lognormal": LogNormal(),
    "mixture": Mixture(3),
    "bins": Binned(16, frequencies=None),
    "fourier": Binned(16, frequencies=4),
}
DISCRETE = {
    "poisson": Poisson(),
    "negative binomial": NegativeBinomial(),
    "bernoulli": Bernoulli(),
    "categorical": Categorical((2, 3, 7)),
}
FAMILIES = CONTINUOUS | DISCRETE
SUPPORT = {"bernoulli": (0, 1), "categorical": (2, 3, 7, 8)}
DRAWS = 40000
every_family = pytest.mark.parametrize("name", FAMILIES)


def arguments(name: str) -> tuple:
    """Raw outputs of two columns, what persists, location and gain."""
    rng = np.random.default_rng(len(name))
    raw = rng.normal(size=(2, FAMILIES[name].width))
    centred = FAMILIES[name].unit == "spread"
    location = np.array([0.4, -1.0]) if centred else np.zeros(2)
    gain = np.ones(2) if FAMILIES[name].unit == "one" else np.array([1.5, 0.7])
    return tuple(jnp.asarray(v) for v in (raw, np.array([0.3, -0.2]), location, gain))


def log_prob(name, x, *settings):
    """Log density of values `(count, 2)`."""
    return call(_log_prob, FAMILIES[name], x, *settings)


def _log_prob(family, x, *settings):
    return family.law(*settings).log_prob(x)


def grid(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of a sum that is the integral over all values."""
    if name in DISCRETE:
        points = np.array(SUPPORT.get(name, np.arange(2000)))
        return points, np.ones(len(points))
    u, step = np.linspace(-9, 9, 400_001, retstep=True)
    points, weights = np.sinh(u), np.cosh(u) * step
    if name == "lognormal":
        inner = np.abs(points) < 12
        points, weights = np.exp(points[inner]), weights[inner] * np.exp(points[inner])
    return points, weights


@pytest.mark.float64
@every_family
def test_a_law_integrates_to_one_and_has_the_moments_it_says(name):
    settings, (points, weights) = arguments(name), grid(name)
    density = np.exp(log_prob(name, jnp.asarray(np.stack([points] * 2, 1), float), *settings))
    # A histogram jumps between the points of the grid; differences of log-gamma functions lose digits.
    tolerance = 1e-4 if isinstance(FAMILIES[name], Binned) else 1e-6 if name in DISCRETE else 1e-8
    np.testing.assert_allclose(weights @ density, 1.0, rtol=tolerance)
    law, mean = FAMILIES[name].law(*settings), (weights * points) @ density
    np.testing.assert_allclose(law.mean, mean, rtol=tolerance)
    np.testing.assert_allclose(law.variance, (weights * points**2) @ density - mean**2, rtol=10 * tolerance)


@pytest.mark.float64
def test_laws_are_scipys():
    def of(name):
        raw, base, location, gain = (np.asarray(v) for v in arguments(name))
        return raw, base, location, gain, lambda v, start: np.logaddexp(0, v + np.log(np.expm1(start - 1e-3))) + 1e-3

    raw, base, location, gain, soft = of("normal")
    centre, scale = location + gain * (raw[:, 0] + base), gain * soft(raw[:, 1], 0.3)
    x = np.array([0.7, 1.4])
    close("normal", x, stats.norm.logpdf(x, centre, scale))
    raw, base, location, gain, soft = of("student")
    centre, scale, freedom = location + gain * (raw[:, 0] + base), gain * soft(raw[:, 1], 0.3), 2 + soft(raw[:, 2], 8.0)
    close("student", x, stats.t.logpdf(x, freedom, centre, scale))
    raw, base, location, gain, soft = of("lognormal")
    close("lognormal", x, stats.lognorm.logpdf(x, soft(raw[:, 1], 0.3), scale=gain * np.exp(raw[:, 0] + base)))
    raw, base, location, gain, soft = of("mixture")
    logits, mean, spread = np.split(raw, 3, axis=1)
    weights = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    centre = location[:, None] + gain[:, None] * (mean + np.array([-0.5, 0.0, 0.5]) + base[:, None])
    close(
        "mixture", x, np.log((weights * stats.norm.pdf(x[:, None], centre, gain[:, None] * soft(spread, 0.3))).sum(1))
    )
    n = np.array([3.0, 0.0])
    raw, _, _, gain, soft = of("poisson")
    close("poisson", n, stats.poisson.logpmf(n, gain * soft(raw[:, 0], 1.0)))
    raw, _, _, gain, soft = of("negative binomial")
    mean, r = gain * soft(raw[:, 0], 1.0), soft(raw[:, 1], 1.0)
    close("negative binomial", n, stats.nbinom.logpmf(n, r, r / (r + mean)))


def close(name: str, x: np.ndarray, want: np.ndarray) -> None:
    np.testing.assert_allclose(log_prob(name, jnp.asarray(x), *arguments(name)), want, rtol=1e-8)


@pytest.mark.float64
@every_family
def test_gradients_in_the_outputs_are_those_of_finite_differences(name):
    raw, *rest = arguments(name)
    x = jnp.array([1.0, 0.0]) if name in DISCRETE else jnp.array([0.83, 1.31])
    total = jax.jit(lambda raw: _log_prob(FAMILIES[name], x, raw, *rest).sum())
    found, step = np.asarray(jax.grad(total)(raw)), 1e-6
    for place in np.ndindex(*raw.shape):
        by = jnp.zeros_like(raw).at[place].set(step)
        assert found[place] == pytest.approx(float(total(raw + by) - total(raw - by)) / (2 * step), abs=2e-7, rel=1e-5)


def _drawn(family, *settings):
    law = family.law(*settings)
    return law.sample(jax.random.key(1), (DRAWS,)), law.mean, law.variance


@every_family
def test_draws_have_the_moments_of_the_law_and_differ(name):
    run = jax.jit(_drawn, static_argnums=0)
    draws, mean, variance = (np.asarray(v, float) for v in run(FAMILIES[name], *arguments(name)))
    error = draws.std(0) / np.sqrt(DRAWS)
    assert np.all(np.abs(draws.mean(0) - mean) < 4 * error)
    squares = (draws - mean) ** 2
    assert np.all(np.abs(squares.mean(0) - variance) < 4 * squares.std(0) / np.sqrt(DRAWS))
    assert abs(np.corrcoef(draws.T)[0, 1]) < 4 / np.sqrt(DRAWS)


@pytest.mark.float64
def test_fourier_coefficients_give_the_density_of_the_paper():
    """p(u) = 1/2 + Re sum_k (c_k / c_0) exp(i k pi u) with c_k = sum_l conj(a_l) a_(l+k), at the bins' centres."""
    family, (raw, *rest) = FAMILIES["fourier"], arguments("fourier")
    found = np.exp(family.law(raw, *rest).log_probs)
    centre = (2 * np.arange(16) + 1) / 16 - 1
    for column in range(2):
        a = np.asarray(raw[column, :5]) + 1j * np.asarray(raw[column, 5:])
        a[0] += 1
        c = [sum(np.conj(a[i]) * a[i + k] for i in range(5 - k)) for k in range(5)]
        p = 0.5 + sum((c[k] / c[0].real * np.exp(1j * k * np.pi * centre)).real for k in range(1, 5))
        np.testing.assert_allclose(found[column], p / p.sum(), atol=2e-6)


def test_what_a_network_is_shown():
    x, level = jnp.array([7.0, 3.0]), jnp.array([3.5, 1.0])
    none = jnp.zeros(2)
    np.testing.assert_allclose(Normal().shown(x, level, jnp.array([2.0, 1.0]))[:, 0], [1.75, 2.0])
    np.testing.assert_allclose(Poisson().shown(x, none, level)[:, 0], np.log1p([2.0, 3.0]))
    np.testing.assert_allclose(LogNormal().shown(jnp.array([7.0, 0.0]), none, level)[:, 0], [np.log(2.0), 0.0])
    known, other = Categorical((2, 3, 7)).shown(jnp.array([3.0, 4.0]), none, level)
    np.testing.assert_array_equal(known, [0, 1, 0, 0])
    np.testing.assert_array_equal(other, [0, 0, 0, 1])


def test_an_unseen_category_has_a_small_probability_and_leaves_the_others_theirs():
    raw = jnp.array([[0.5, -1.0, 0.2]])
    law = Categorical((2, 3, 7)).law(raw, jnp.zeros(1), jnp.zeros(1), jnp.ones(1))
    want = np.exp(np.asarray(raw[0])) / np.exp(np.asarray(raw[0])).sum()
    np.testing.assert_allclose(np.exp([law.log_prob(jnp.array([c]))[0] for c in (2.0, 3.0, 7.0)]), want, rtol=1e-5)
    assert float(jnp.exp(law.log_prob(jnp.array([5.0]))[0])) == pytest.approx(1e-6, rel=1e-3)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Mixture(1), "Mixture needs components >= 2; found 1"),
        (lambda: Binned(2), "Binned needs bins >= 3; found 2"),
        (lambda: Binned(8, 1.0, 1.0), "Binned needs low < high; found low = 1, high = 1"),
        (lambda: Binned(8, frequencies=0), "Binned needs frequencies >= 1 or None; found 0"),
        (lambda: Categorical(()), r"Categorical needs at least one code, each once; found \(\)"),
        (lambda: Categorical((1, 1)), r"each once; found \(1, 1\)"),
    ],
)
def test_settings_out_of_their_bounds_are_refused(build, message):
    with pytest.raises(InputError, match=message):
        build()
