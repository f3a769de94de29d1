"""The bound by marginals against a dense Gaussian, against paths, and against finite differences."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from inference.dense import dense, mild
from models.alternator.linear_gaussian import OBS, SIGMA_X, affine

import alternax as ax
from alternax.core.errors import InputError
from alternax.core.fixed import trainable
from alternax.core.sequence import Sequence
from alternax.data.schema import Schema
from alternax.models import Alternator

LENGTH, KEY = 9, jax.random.key(3)
RATES = np.array([0.4, 1.5])
double = pytest.mark.float64


def gappy() -> dict:
    """Rows missing wholly, in part and at the end, uneven times, padding and a new sequence."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(LENGTH, OBS))
    x[2] = x[8] = x[4, 1] = np.nan
    return {
        "x": x, "valid": np.arange(LENGTH) != 3, "resets": np.arange(LENGTH) == 6, "dt": rng.uniform(0.5, 2, LENGTH)
    }  # fmt: skip


def built(rows: dict) -> Sequence:
    return Sequence.build(**{name: jnp.asarray(value) for name, value in rows.items()})


def nonlinear(**settings) -> Alternator:
    settings = {"noise": "student", "sigma_z": 0.5, "sigma_x": 0.4, "alpha": 0.4, "residual": None} | settings
    return Alternator(OBS, latent_dim=2, ftn="mlp", otn="mlp", width=6, depth=1, **settings, key=jax.random.key(2))


@double
@pytest.mark.parametrize("flow", ["ou", pytest.param(None, marks=pytest.mark.slow)])
def test_affine_bound_is_the_expectation_under_the_dense_gaussian(flow):
    """Every row of the oracle is x = located + design @ noises, whose expected square is rest^2 + |design|^2."""
    rows = gappy()
    model = mild(affine(flow=flow))
    if flow:
        model = eqx.tree_at(lambda m: m.decay, model, jnp.log(jnp.expm1(jnp.asarray(RATES))))
    law = dense(**rows, rates=RATES if flow else None, ou=flow == "ou", unseen=0.3)
    square = law.rest**2 + (law.design**2).sum(1)
    want = 0.5 * np.mean(square / SIGMA_X**2 + np.log(2 * np.pi * SIGMA_X**2))
    found = eqx.filter_jit(ax.MarginalElbo())(model, built(rows), key=KEY)
    assert float(found) == pytest.approx(want, abs=1e-10)


def replicated(objective: ax.Objective, model: Alternator, seq: Sequence, count: int) -> tuple[float, float]:
    """Mean over keys and its standard error."""
    run = jax.jit(jax.vmap(lambda key: objective(model, seq, key=key)))
    found = np.asarray(run(jax.random.split(KEY, count)))
    return found.mean(), found.std() / np.sqrt(count)


@double
@pytest.mark.slow
def test_affine_bound_draws_nothing_and_is_the_mean_over_paths():
    model, seq = mild(affine("lowrank", rank=1, residual="change", context=2)), built(gappy())
    model = eqx.tree_at(lambda m: m.noise.factor, model, jnp.array([[0.8], [-0.5]]))
    exact, spread = replicated(ax.MarginalElbo(), model, seq, 3)
    paths, error = replicated(ax.Elbo(), model, seq, 4000)
    print(f"exact {exact:.4f}, paths {paths:.4f} +- {error:.4f}")
    assert spread < 1e-12
    assert abs(paths - exact) < 3 * error < 0.05


@double
@pytest.mark.parametrize(
    ("settings", "draws"),
    [
        pytest.param({"context": 2, "flow": "ou"}, 3, marks=pytest.mark.slow, id="student"),
        pytest.param({"noise": [ax.families.Poisson(), ax.families.Normal()]}, 1, id="families"),
    ],
)
def test_draws_from_marginals_have_the_mean_of_paths(settings, draws):
    rows = gappy()
    rows["x"][:, 0] = np.abs(np.round(3 * rows["x"][:, 0]))
    model, seq = nonlinear(**settings), built(rows)
    paths, path_error = replicated(ax.Elbo(), model, seq, 6000)
    found, error = replicated(ax.MarginalElbo(draws), model, seq, 3000)
    print(f"draws {draws}: {found:.4f} +- {error:.4f}, paths {paths:.4f} +- {path_error:.4f}")
    assert abs(found - paths) < 3 * np.hypot(error, path_error) < 0.1


@double
@pytest.mark.slow
@pytest.mark.parametrize("form", ["drawn", "exact"])
def test_gradients_are_those_of_finite_differences(form):
    model = nonlinear(flow="decay") if form == "drawn" else mild(affine("lowrank", rank=1, flow="ou"))
    seq, step = built(gappy()), 1e-5
    params, rest = eqx.partition(model, trainable(model))
    leaves, structure = jax.tree.flatten(params)
    ways = [np.random.default_rng(i).normal(size=leaf.shape) for i, leaf in enumerate(leaves)]
    value = lambda leaves: ax.MarginalElbo()(eqx.combine(jax.tree.unflatten(structure, leaves), rest), seq, key=KEY)  # noqa: E731
    learn = jax.jit(jax.value_and_grad(value))
    moved = lambda size: learn([leaf + size * way for leaf, way in zip(leaves, ways, strict=True)])  # noqa: E731
    want = (moved(step)[0] - moved(-step)[0]) / (2 * step)
    found = sum(float((slope * way).sum()) for slope, way in zip(moved(0.0)[1], ways, strict=True))
    assert found == pytest.approx(float(want), rel=1e-6) != 0.0


@pytest.mark.slow
def test_padding_and_missing_entries_are_not_read():
    rows, model = gappy(), nonlinear()
    seq, hidden = built(rows), ~np.isfinite(rows["x"]) | ~rows["valid"][:, None]
    value = eqx.filter_jit(lambda s: ax.MarginalElbo(draws=2)(model, s, key=KEY))
    found, other = float(value(seq)), eqx.tree_at(lambda s: s.x, seq, jnp.where(jnp.asarray(hidden), 77.0, seq.x))
    assert float(value(other)) == found
    shorter = built({name: np.delete(values, 3, axis=0) for name, values in rows.items()})
    assert float(value(shorter)) == pytest.approx(found, rel=1e-5)


def test_models_without_closed_marginals_are_refused():
    schema = Schema(values=("a", "b"), kinds=("real",) * 2)
    small = {"latent_dim": 2, "width": 4, "depth": 1, "key": KEY}
    for make, message in (
        (lambda: affine(gap="draw"), r"with gap='draw' it depends on draws\. Use Elbo\(\)"),
        (lambda: affine(alpha=ax.Vendi(over="latents")), r"with an alpha over latents it depends on draws"),
        (
            lambda: Alternator(OBS, otn="lru", **small),
            r"remembers earlier latents.*Use Elbo\(\), or a memoryless",
        ),
        (lambda: ax.AlternatorPlusPlus(OBS, **small), r"found a AlternatorPlusPlus\. Use Elbo\(\)"),
        (lambda: ax.SwitchingAlternator(OBS, **small), r"found a SwitchingAlternator"),
        (lambda: ax.Autoregressive(OBS, width=4, key=KEY), r"found a Autoregressive\. Use Elbo\(\), or ModelLoss\(\)"),
    ):
        model = eqx.filter_eval_shape(make)
        with pytest.raises(InputError, match=message):
            ax.MarginalElbo().check(model, schema)
        with pytest.raises(InputError, match=message):
            ax.MarginalElbo()(model, Sequence.build(jnp.zeros((4, OBS))), key=KEY)
    with pytest.raises(InputError, match=r"MarginalElbo needs draws >= 1; found 0"):
        ax.MarginalElbo(draws=0).check(model, schema)
    ax.MarginalElbo().check(affine(), schema)
