"""Named schedules: their ends, their shape, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

import alternax as ax
from alternax.core.errors import InputError


@pytest.mark.parametrize(("kind", "quarter"), [("linear", 0.25), ("cosine", np.sin(np.pi / 8) ** 2)])
def test_a_schedule_goes_from_its_first_to_its_last_value(kind, quarter):
    found = ax.schedule(kind, 5, first=0.9, last=0.1)
    np.testing.assert_allclose(found, 0.9 - 0.8 * np.array([0, quarter, 0.5, 1 - quarter, 1]), rtol=1e-12)


def test_models_take_it_and_keep_its_last_value():
    values = ax.schedule("cosine", 4, first=0.2, last=0.8)
    nets = {"latent_dim": 2, "ftn": "affine", "otn": "affine", "key": jax.random.key(0)}
    model = ax.AlternatorPlusPlus(2, alpha=values, beta=values, **nets)
    for share in (model.base.alpha, model.beta):
        np.testing.assert_allclose(share(jnp.arange(6))[:, 0], [*values, 0.8, 0.8], rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sigmoid", 5, 0.1, 0.9), r"schedule='sigmoid' is not known: choose 'linear' or 'cosine'"),
        (("linear", 1, 0.1, 0.9), r"steps must be an integer of at least 2; found 1"),
        (("linear", 5, -0.1, 0.9), r"from 0 to 1 at most; found first = -0\.1"),
        (("linear", 5, 0.1, np.nan), r"found last = nan"),
    ],
)
def test_what_is_no_schedule_is_refused(arguments, message):
    kind, steps, first, last = arguments
    with untyped(), pytest.raises(InputError, match=message):
        ax.schedule(kind, steps, first=first, last=last)
