"""Marginals and conditionals of every emission family against scipy, enumeration and quadrature."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

from alternax.core import emission
from alternax.core.emission import Columns

pytestmark = pytest.mark.float64

DIM, RANK, DRAWS = 5, 2, 20_000
RNG = np.random.default_rng(3)
LOC = RNG.normal(size=DIM)
FACTOR = RNG.normal(size=(DIM, RANK))
DIAG = RNG.uniform(0.2, 1.0, DIM)
COVARIANCE = FACTOR @ FACTOR.T + np.diag(DIAG)
X = jnp.array(RNG.normal(size=DIM))
OBSERVED = jnp.array([True, False, True, False, True])
KEY = jax.random.key(0)


def observed_log_prob(law, x, observed):
    return jax.jit(lambda x, o: emission.observed_log_prob(law, x, o))(x, observed)


def complete(law, x, observed, key):
    return jax.jit(lambda x, o, k: emission.complete(law, x, o, k))(x, observed, key)


def gaussians():
    return {
        "low rank": dist.LowRankMultivariateNormal(jnp.array(LOC), jnp.array(FACTOR), jnp.array(DIAG)),
        "full": dist.MultivariateNormal(jnp.array(LOC), jnp.array(COVARIANCE)),
    }


def mixture():
    components = dist.Normal(jnp.array(RNG_MEANS), jnp.array(RNG_SCALES)).to_event(1)
    return dist.MixtureSameFamily(dist.Categorical(probs=jnp.array([0.2, 0.5, 0.3])), components)


RNG_MEANS = 2 * RNG.normal(size=(3, DIM))
RNG_SCALES = RNG.uniform(0.3, 1.0, (3, DIM))


def columns():
    return Columns(
        (
            ((3, 0), dist.Normal(jnp.array([0.5, -0.5]), jnp.array([1.0, 2.0]))),
            ((1,), dist.Poisson(jnp.array([3.0]))),
            ((2,), dist.Categorical(probs=jnp.array([[0.2, 0.3, 0.5]]))),
            ((4,), dist.LogNormal(jnp.array([0.1]), jnp.array([0.4]))),
        )
    )


def exact_conditional(x, observed):
    o, m = np.flatnonzero(observed), np.flatnonzero(~np.asarray(observed))
    gain = COVARIANCE[np.ix_(m, o)] @ np.linalg.inv(COVARIANCE[np.ix_(o, o)])
    mean = LOC[m] + gain @ (np.asarray(x)[o] - LOC[o])
    return m, mean, COVARIANCE[np.ix_(m, m)] - gain @ COVARIANCE[np.ix_(o, m)]


def many(law, x, observed, key=KEY, draws=DRAWS):
    return np.asarray(complete(law, jnp.broadcast_to(x, (draws, *x.shape)), observed, key))


def within_four_errors(draws, mean, covariance):
    error = np.sqrt(np.diag(covariance) / len(draws))
    assert np.all(np.abs(draws.mean(0) - mean) < 4 * error)
    outer = (draws - mean)[:, :, None] * (draws - mean)[:, None, :]
    assert np.all(np.abs(outer.mean(0) - covariance) < 4 * outer.std(0) / np.sqrt(len(draws)))


@pytest.mark.parametrize("name", ["low rank", "full"])
def test_gaussian_marginal_is_that_of_scipy(name):
    masks = np.array([[1, 0, 1, 0, 1], [1, 1, 1, 1, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]], bool)
    values = observed_log_prob(gaussians()[name], jnp.broadcast_to(X, (4, DIM)), jnp.array(masks))
    kept = [np.flatnonzero(mask) for mask in masks[:3]]
    expected = [stats.multivariate_normal(LOC[o], COVARIANCE[np.ix_(o, o)]).logpdf(np.asarray(X)[o]) for o in kept]
    np.testing.assert_allclose(values, [*expected, 0.0], rtol=1e-12)


@pytest.mark.parametrize("name", ["low rank", "full"])
def test_gaussian_completion_has_the_exact_conditional_moments(name):
    draws = many(gaussians()[name], X, OBSERVED)
    missing, mean, covariance = exact_conditional(X, OBSERVED)
    np.testing.assert_array_equal(draws[:, np.asarray(OBSERVED)], np.broadcast_to(X[OBSERVED], (DRAWS, 3)))
    within_four_errors(draws[:, missing], mean, covariance)


def test_low_rank_marginal_keeps_float32_digits_with_strong_factors():
    law = dist.LowRankMultivariateNormal(jnp.array(LOC), jnp.array(1e3 * FACTOR), jnp.array(1e-2 * DIAG))
    x = law.sample(KEY)
    single = jax.tree.map(
        lambda a: a.astype(jnp.float32), (jnp.array(LOC), jnp.array(1e3 * FACTOR), jnp.array(1e-2 * DIAG))
    )
    value = observed_log_prob(dist.LowRankMultivariateNormal(*single), x.astype(jnp.float32), OBSERVED)
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, observed_log_prob(law, x, OBSERVED), rtol=2e-3)


@pytest.mark.parametrize("shared", [True, False])
def test_low_rank_row_of_a_thousand_columns_never_forms_its_covariance(shared):
    wide, rows = 1085, 6
    batch = () if shared else (rows,)
    draw = lambda *shape: jnp.array(RNG.normal(size=shape))  # noqa: E731
    factor, diag, loc = draw(*batch, wide, 14), jnp.exp(draw(*batch, wide)), draw(rows, wide)
    x, observed = draw(rows, wide), jnp.array(RNG.random((rows, wide)) < 0.6)

    def both(loc, factor, diag, x, observed):
        law = dist.LowRankMultivariateNormal(loc, factor, diag)
        return emission.observed_log_prob(law, x, observed), emission.complete(law, x, observed, KEY)

    jaxpr = str(jax.make_jaxpr(both)(loc, factor, diag, x, observed))
    assert "1085" in jaxpr and "1085,1085" not in jaxpr
    value, filled = jax.jit(both)(loc, factor, diag, x, observed)
    o = np.asarray(observed[2])
    w, d = (np.asarray(factor), np.asarray(diag)) if shared else (np.asarray(factor[2]), np.asarray(diag[2]))
    exact = stats.multivariate_normal(np.asarray(loc[2])[o], (w @ w.T + np.diag(d))[np.ix_(o, o)])
    np.testing.assert_allclose(value[2], exact.logpdf(np.asarray(x[2])[o]), rtol=1e-9)
    np.testing.assert_array_equal(filled[observed], x[observed])


def test_independent_entries_sum_over_the_observed_ones_only():
    law = dist.StudentT(4.0, jnp.array(LOC), jnp.array(DIAG)).to_event(1)
    o = np.asarray(OBSERVED)
    expected = stats.t(4.0, LOC[o], DIAG[o]).logpdf(np.asarray(X)[o]).sum()
    np.testing.assert_allclose(observed_log_prob(law, X, OBSERVED), expected, rtol=1e-12)
    assert observed_log_prob(law, X, jnp.zeros(DIM, bool)) == 0


@pytest.mark.parametrize("family", [dist.LogNormal, dist.Gamma, dist.Beta, dist.Weibull])
def test_zero_in_a_missing_entry_outside_the_support_leaves_value_and_gradient_finite(family):
    def value(a):
        return observed_log_prob(
            family(a, a + 1).to_event(1), jnp.array([0.5, 0.0, 0.7]), jnp.array([True, False, True])
        )

    gradient = jax.jit(jax.grad(value))(jnp.array([1.0, 2.0, 3.0]))
    assert np.all(np.isfinite(gradient)) and gradient[1] == 0 and gradient[0] != 0


def test_missing_nan_is_never_read():
    x = jnp.where(OBSERVED, X, jnp.nan)
    for law in (*gaussians().values(), mixture(), dist.Normal(jnp.array(LOC), 1.0).to_event(1)):
        value_and_slope = jax.jit(jax.value_and_grad(lambda x, law=law: emission.observed_log_prob(law, x, OBSERVED)))
        (value, slope), (expected, _) = value_and_slope(x), value_and_slope(X)
        assert value == expected and np.all(np.isfinite(slope))
        assert np.all(np.isfinite(complete(law, x, OBSERVED, KEY)))


def test_mixture_marginal_sums_over_components_and_integrates_to_one():
    o = np.asarray(OBSERVED)
    components = stats.norm(RNG_MEANS[:, o], RNG_SCALES[:, o]).logpdf(np.asarray(X)[o]).sum(-1)
    np.testing.assert_allclose(
        observed_log_prob(mixture(), X, OBSERVED), np.logaddexp.reduce(np.log([0.2, 0.5, 0.3]) + components), rtol=1e-12
    )
    grid = jnp.linspace(-12, 12, 801)
    pairs = jnp.zeros((801, 801, DIM)).at[..., 1].set(grid[:, None]).at[..., 4].set(grid[None])
    only = jnp.array([False, True, False, False, True])
    density = jnp.exp(observed_log_prob(mixture(), pairs, only))
    np.testing.assert_allclose(jnp.trapezoid(jnp.trapezoid(density, grid), grid), 1.0, atol=1e-8)


def test_mixture_completion_draws_the_component_given_what_was_observed():
    o, x = np.asarray(OBSERVED), np.asarray(RNG_MEANS[0] + 0.45 * (RNG_MEANS[1] - RNG_MEANS[0]))
    log_weights = np.log([0.2, 0.5, 0.3]) + stats.norm(RNG_MEANS[:, o], RNG_SCALES[:, o]).logpdf(x[o]).sum(-1)
    posterior = np.exp(log_weights - np.logaddexp.reduce(log_weights))
    means, scales = RNG_MEANS[:, ~o], RNG_SCALES[:, ~o]
    mean = posterior @ means
    covariance = np.einsum("k,ki,kj->ij", posterior, means - mean, means - mean) + np.diag(posterior @ scales**2)
    within_four_errors(many(mixture(), jnp.array(x), OBSERVED)[:, ~o], mean, covariance)


def test_mixture_of_low_rank_gaussians_equals_its_sum():
    locs = jnp.stack([jnp.array(LOC), -jnp.array(LOC)])
    law = dist.MixtureSameFamily(
        dist.Categorical(logits=jnp.array([0.0, 1.0])),
        dist.LowRankMultivariateNormal(locs, jnp.array(FACTOR), jnp.array(DIAG)),
    )
    o = np.asarray(OBSERVED)
    parts = [
        stats.multivariate_normal(m[o], COVARIANCE[np.ix_(o, o)]).logpdf(np.asarray(X)[o]) for m in np.asarray(locs)
    ]
    expected = np.logaddexp.reduce(np.array(parts) + np.log([1, np.e]) - np.log(1 + np.e))
    np.testing.assert_allclose(observed_log_prob(law, X, OBSERVED), expected, rtol=1e-12)


def test_columns_log_prob_is_the_sum_of_its_parts():
    row = jnp.array([-1.0, 2.0, 1.0, 0.3, 1.7])
    parts = [
        stats.norm(-0.5, 2.0).logpdf(-1.0),
        stats.poisson(3.0).logpmf(2),
        np.log(0.3),
        stats.norm(0.5, 1.0).logpdf(0.3),
        stats.lognorm(0.4, scale=np.exp(0.1)).logpdf(1.7),
    ]
    np.testing.assert_allclose(columns().log_prob(row), sum(parts), rtol=1e-12)
    observed = jnp.array([True, False, True, False, False])
    np.testing.assert_allclose(observed_log_prob(columns(), row, observed), parts[0] + parts[2], rtol=1e-12)


def test_columns_samples_have_the_moments_of_their_kinds():
    draws = np.asarray(jax.jit(lambda key: columns().sample(key, (DRAWS,)))(KEY))
    assert draws.dtype == np.float64 and set(np.unique(draws[:, 2])) == {0.0, 1.0, 2.0}
    mean = np.array([-0.5, 3.0, 1.3, 0.5, np.exp(0.1 + 0.08)])
    variance = np.array([4.0, 3.0, 0.61, 1.0, (np.exp(0.16) - 1) * np.exp(0.2 + 0.16)])
    within_four_errors(draws, mean, np.diag(variance))
    np.testing.assert_allclose(np.asarray(columns().mean)[[0, 1, 3, 4]], mean[[0, 1, 3, 4]], rtol=1e-12)


def test_columns_survive_flattening():
    leaves, structure = jax.tree.flatten(columns())
    row = jnp.array([-1.0, 2.0, 1.0, 0.3, 1.7])
    assert jax.tree.unflatten(structure, leaves).log_prob(row) == columns().log_prob(row)


def laws_with_shared_parameters():
    return {
        **gaussians(),
        "mixture": mixture(),
        "columns": columns(),
        "normal": dist.Normal(jnp.array(LOC), 1.0).to_event(1),
    }


@pytest.mark.parametrize("name", ["low rank", "full", "mixture", "columns", "normal"])
def test_rows_of_a_batch_get_draws_and_densities_of_their_own(name):
    law = laws_with_shared_parameters()[name]
    rows = jnp.zeros((3, 4, DIM)) + jnp.array([0.4, 2.0, 1.0, 0.3, 1.7])

    @jax.jit
    def everything(rows, mask):
        own = emission.complete(law, rows, ~mask, KEY)
        return own, emission.observed_log_prob(law, rows, mask), law.log_prob(rows)

    filled, density, expected = everything(rows, jnp.ones((3, 4, DIM), bool))
    assert len(np.unique(filled[..., 0])) == 12
    np.testing.assert_allclose(density, expected, rtol=1e-10)


@pytest.mark.parametrize("call", [emission.observed_log_prob, lambda d, x, o: emission.complete(d, x, o, KEY)])
@pytest.mark.parametrize(
    ("law", "name"),
    [
        (lambda: dist.Dirichlet(jnp.ones(DIM)), "Dirichlet"),
        (lambda: dist.Normal(jnp.zeros(DIM), 1.0), "Normal"),
        (lambda: dist.Normal(jnp.zeros((2, DIM)), 1.0).to_event(2), r"Independent\(Normal\)"),
        (lambda: dist.MixtureSameFamily(dist.Categorical(jnp.ones(2) / 2), dist.Normal(jnp.zeros(2), 1.0)), "Mixture"),
    ],
)
def test_families_without_an_exact_conditional_are_refused_by_name(call, law, name):
    with pytest.raises(TypeError, match=f"emission of type {name}"):
        call(law(), X, OBSERVED)


def test_columns_that_overlap_or_do_not_fit_are_refused():
    normal = dist.Normal(jnp.zeros(2), 1.0)
    with pytest.raises(ValueError, match="exactly once"):
        Columns((((0, 1), normal), ((1, 2), normal)))
    with pytest.raises(ValueError, match="last batch axis 3"):
        Columns((((0, 1, 2), normal),))
