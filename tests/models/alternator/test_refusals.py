"""Every setting out of its bounds is refused in words that name the bound."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.core.sequence import Sequence
from alternax.models.alternator import Alternator
from alternax.models.alternator.alpha import HALF_LIVES, Alpha
from alternax.nets.operator import Operator

OPERATOR = Operator(jnp.eye(2, 4))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"obs_dim": 0}, r"obs_dim must be an integer of at least 1; found 0"),
        ({"obs_dim": 2.0}, r"obs_dim must be an integer of at least 1; found 2\.0"),
        ({"latent_dim": 0}, r"latent_dim must be an integer of at least 1; found 0"),
        ({"target_dim": -1}, r"target_dim must be an integer of at least 0; found -1"),
        ({"control_dim": -2}, r"control_dim must be an integer of at least 0; found -2"),
        ({"context": 0}, r"context must be an integer of at least 1; found 0"),
        ({"sigma_z": 1.0}, r"0 <= sigma_z\^2 < 1; found sigma_z = 1"),
        ({"sigma_z": -0.1}, r"0 <= sigma_z\^2 < 1; found sigma_z = -0\.1"),
        ({"flow": "drift"}, r"flow='drift' is not known: choose None, 'decay' or 'ou'"),
        ({"gap": "zero"}, r"gap='zero' is not known: choose 'hold' or 'draw'"),
        ({"decode": "z"}, r"decode='z' is not known: choose 'latent' or 'head'"),
        ({"decode": "latent", "target_dim": 3}, r"reads 3 targets off z, which has latent_dim = 2: raise latent_dim"),
        ({"operator": OPERATOR}, r"the operator is for 4 columns, the model for obs_dim = 3"),
        ({"obs_dim": 4, "operator": OPERATOR, "context": 5}, r"use context=None.*Scale\(per='all'\)"),
        ({"alpha": "slow"}, r"alpha='slow' is not known: give 'multiscale', 'learned', 'vendi', a number, or an array"),
        ({"alpha": -0.1}, r"0 <= alpha <= 1 - sigma_z\^2 = 0\.91 \(sigma_z = 0\.3\); found -0\.1\. Lower"),
        ({"alpha": 0.92}, r"1 - sigma_z\^2 = 0\.91.*found 0\.92\. Lower alpha or sigma_z"),
        ({"alpha": np.array([0.1, 0.95, 0.2])}, r"found 0\.95 at step 1"),
        ({"alpha": np.array([0.1, np.nan])}, r"found nan at step 1"),
        ({"alpha": np.full((2, 2), 0.1)}, r"one value per step, shape \(time,\); found shape \(2, 2\)"),
        ({"alpha": np.zeros(0)}, r"one value per step.*found shape \(0,\)"),
        ({"noise": "laplace"}, r"noise='laplace' is not known: choose one of paper, learned, state, student, lowrank"),
        ({"noise": "paper", "sigma_x": 1.0}, r"noise='paper' needs 0 < sigma_x\^2 < 1; found sigma_x = 1.*'learned'"),
        ({"noise": "state", "sigma_x": 0.0}, r"sigma_x must be positive; found 0"),
        ({"noise": "lowrank", "rank": 4}, r"1 <= rank <= obs_dim = 3; found rank = 4"),
        ({"noise": "lowrank", "rank": 0}, r"1 <= rank <= obs_dim = 3; found rank = 0"),
        ({"residual": "last"}, r"residual='last' is not known: choose None, 'change' or 'carry'"),
        ({"ftn": "s9"}, r"unknown kind 's9'; choose affine, mlp"),
    ],
)
def test_setting_out_of_its_bounds_is_refused(settings, message):
    settings = {"obs_dim": 3, "latent_dim": 2, "sigma_z": 0.3, "ftn": "affine", "otn": "affine", **settings}
    with untyped(), pytest.raises(InputError, match=message):
        Alternator(settings.pop("obs_dim"), **settings, key=jax.random.key(0))


def test_data_of_other_widths_are_refused():
    model = Alternator(2, latent_dim=2, control_dim=1, ftn="affine", otn="affine", key=jax.random.key(0))
    wide, bare = Sequence.build(jnp.ones((4, 3)), controls=jnp.ones((4, 1))), Sequence.build(jnp.ones((4, 2)))
    for seq, message in (
        (wide, r"built with obs_dim=2, the data have 3: .*control_dim=data.control_dim"),
        (bare, r"built with control_dim=1, the data have 0"),
    ):
        with pytest.raises(InputError, match=message):
            model.unroll(seq, key=jax.random.key(1))
        with pytest.raises(InputError, match=message):
            model.filter(seq, key=jax.random.key(1))


def test_bounds_themselves_are_allowed():
    model = Alternator(2, latent_dim=2, alpha=0.91, sigma_z=0.3, ftn="affine", otn="affine", key=jax.random.key(0))
    a, carry = model.gains(jnp.arange(2))
    np.testing.assert_allclose(a, 0.91, rtol=1e-6)
    assert np.all(carry < 1e-3)


def test_learned_alphas_start_where_they_say_and_stay_inside_their_bound():
    bound = 1 - 0.3**2
    several = Alpha("multiscale", 5, 0.3)(jnp.asarray(0))
    carry = np.sqrt(np.clip(bound - several, 1e-12, None))
    half_lives = math.log(0.5) / np.log(carry)
    # sigma_z = 0.3 alone forgets half in 7.3 steps: longer half-lives are out of reach and end at the least alpha.
    np.testing.assert_allclose(half_lives[:2], np.geomspace(*HALF_LIVES, 5)[:2], rtol=1e-4)
    np.testing.assert_allclose(several[3:], 1e-3 * bound, rtol=1e-4)
    fine = Alpha("multiscale", 3, 0.01)(jnp.asarray(0))
    np.testing.assert_allclose(
        math.log(0.5) / np.log(np.sqrt(1 - 1e-4 - np.asarray(fine, float)))[:2], [1.0, 10.0], rtol=1e-3
    )
    assert float(Alpha("learned", 4, 0.3)(jnp.asarray(7))[0]) == pytest.approx(0.3, rel=1e-5)


def test_a_schedule_is_read_by_step_and_its_last_value_serves_later_steps():
    schedule = Alpha(np.array([0.1, 0.2, 0.3]), 4, 0.1)
    np.testing.assert_allclose(schedule(jnp.array([0, 1, 2, 9]))[:, 0], [0.1, 0.2, 0.3, 0.3], rtol=1e-6)
