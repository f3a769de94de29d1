"""Every setting out of its bounds is refused in words that name the bound."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

import alternax as ax
from alternax.core.errors import InputError
from alternax.core.sequence import Sequence

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"beta": 0.92},
            r"0 <= beta <= 1 - sigma_x\^2 = 0\.91 \(sigma_x = 0\.3\); found 0\.92\. Lower beta or",
        ),
        ({"beta": -0.1}, r"0 <= beta <= 1 - sigma_x\^2.*found -0\.1"),
        ({"beta": np.array([0.1, 0.95, 0.2])}, r"found 0\.95 at step 1\. Lower beta"),
        ({"beta": np.array([0.1, np.nan])}, r"found nan at step 1"),
        ({"beta": np.full((2, 2), 0.1)}, r"a schedule of beta is one value per step.*found shape \(2, 2\)"),
        ({"beta": np.zeros(0)}, r"one value per step.*found shape \(0,\)"),
        ({"beta": "multiscale"}, r"beta='multiscale' is not known: give 'learned', a number, or an array over time"),
        ({"sigma_x": 1.0}, r"Alternator\+\+ needs 0 < sigma_x\^2 < 1.*found sigma_x = 1\. Scale the data"),
        ({"alpha": 0.92}, r"0 <= alpha <= 1 - sigma_z\^2 = 0\.91.*found 0\.92"),
        ({"noise_nets": "lru"}, r"noise_nets='lru' is not known: choose 'affine' or 'mlp'"),
        ({"noise": "laplace"}, r"noise='laplace' is not known: choose one of paper, learned, state"),
        ({"paths": 1}, r"paths must be an integer of at least 2; found 1"),
        ({"latent_dim": 0}, r"latent_dim must be an integer of at least 1; found 0"),
    ],
)
def test_setting_out_of_its_bounds_is_refused(settings, message):
    settings = {"latent_dim": 2, "sigma_z": 0.3, "sigma_x": 0.3, "ftn": "affine", "otn": "affine", **settings}
    with untyped(), pytest.raises(InputError, match=message):
        ax.AlternatorPlusPlus(3, **settings, key=KEY)


def affine(**settings) -> ax.AlternatorPlusPlus:
    settings = {"latent_dim": 2, "ftn": "affine", "otn": "affine", "noise_nets": "affine", **settings}
    return ax.AlternatorPlusPlus(2, **settings, key=KEY)


def test_a_law_that_is_no_noise_around_a_mean_is_refused():
    with untyped(), pytest.raises(InputError, match=r"columns must be real: choose noise='state'.*or an Alternator"):
        affine(noise=(ax.families.Poisson(), ax.families.Poisson()))


def test_data_of_other_widths_are_refused():
    model, wide = affine(), Sequence.build(jnp.ones((4, 3)))
    for run in (model.unroll, model.filter):
        with pytest.raises(InputError, match=r"obs_dim=2, the data have 3: build it with ax\.AlternatorPlusPlus"):
            run(wide, key=KEY)


def test_bounds_themselves_are_allowed_and_leave_no_share_to_noise():
    model = affine(beta=0.91, sigma_x=0.3)
    signal, rest = model.shares(jnp.arange(2))
    np.testing.assert_allclose(signal**2, 0.91, rtol=1e-6)
    assert np.all(rest < 1e-3)


def test_gap_rule_and_paths_can_be_changed_after_training():
    model = affine()
    drawn, many = model.with_gap("draw"), model.with_paths(50)
    assert (model.base.gap, drawn.base.gap, model.paths, many.paths) == ("hold", "draw", 16, 50)
    assert jax.tree.leaves(drawn) == jax.tree.leaves(model) == jax.tree.leaves(many)
    with pytest.raises(InputError, match="gap='zero' is not known"):
        model.with_gap("zero")
    with pytest.raises(InputError, match=r"paths must be an integer of at least 2; found 0"):
        model.with_paths(0)


def test_what_is_missing_and_how_old_values_are_start_without_weight():
    """Both are constant in complete data, where their weights would stay random."""
    model = affine(ftn="mlp", otn="mlp", noise_nets="mlp", width=4, control_dim=1)
    assert not np.any(model.psi.first.weight[:, 2:4]) and np.all(model.psi.first.weight[:, 4:])
    assert not np.any(model.nu.of_row.weight[:, 2:4]) and np.all(model.nu.of_row.weight[:, 4:])
