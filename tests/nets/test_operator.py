"""Observation operators: exact coordinates, the field they stand for, what of them is missing, and refusals."""

import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.core.fixed import trainable
from alternax.nets.operator import Operator

BASIS = np.array([[0.6, -0.5, 0.4, 0.1], [0.3, 0.8, 0.2, -0.4]])


def test_default_analysis_is_least_squares():
    operator, x = Operator(jnp.asarray(BASIS)), np.array([[1.0, -2.0, 0.5, 3.0], [0.1, 0.2, 0.3, 0.4]])
    want = np.linalg.lstsq(BASIS.T, x.T, rcond=None)[0].T
    np.testing.assert_allclose(operator.coordinates(jnp.asarray(x)), want, rtol=1e-5)
    np.testing.assert_allclose(operator.field(jnp.asarray(want)), want @ BASIS, rtol=1e-5)
    assert (operator.count, operator.obs_dim) == (2, 4)


def test_coordinates_of_a_field_are_what_it_was_made_of():
    """Also for a weighted analysis, which is not the pseudo-inverse."""
    weights = np.diag([1.0, 2.0, 0.5, 1.5])
    analysis = np.linalg.solve(BASIS @ weights @ BASIS.T, BASIS @ weights)
    coordinates = jnp.array([[0.3, -2.0], [5.0, 1.0]])
    for operator in (Operator(jnp.asarray(BASIS)), Operator(jnp.asarray(BASIS), jnp.asarray(analysis))):
        np.testing.assert_allclose(operator.coordinates(operator.field(coordinates)), coordinates, rtol=1e-5)


def test_missing_share_is_the_energy_of_the_analysis_on_the_missing_cells():
    operator = Operator(jnp.asarray(BASIS))
    analysis = np.linalg.pinv(BASIS).T
    want = (analysis[:, [1, 3]] ** 2).sum(1) / (analysis**2).sum(1)
    rows = jnp.array([[0.0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 1]])
    np.testing.assert_allclose(operator.missing_share(rows), [[0, 0], [1, 1], want], atol=1e-6)


def test_no_optimiser_moves_it():
    import jax

    assert not any(jax.tree.leaves(trainable(Operator(jnp.asarray(BASIS)))))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(3),), r"basis of shape \(patterns, obs_dim\), patterns <= obs_dim; found \(3,\)"),
        ((np.ones((3, 2)),), r"patterns <= obs_dim; found \(3, 2\)"),
        ((BASIS, np.ones((2, 3))), r"one shape; found \(2, 4\) and \(2, 3\)"),
        ((np.ones((2, 4)),), r"must be the identity \(largest difference .*depend on each other"),
        ((BASIS, 2 * np.linalg.pinv(BASIS).T), r"must be the identity \(largest difference 1\)"),
        ((np.full((1, 2), np.nan), np.ones((1, 2))), r"must be the identity \(largest difference nan\)"),
    ],
)
def test_what_is_no_operator_is_refused(arguments, message):
    with untyped(), pytest.raises(InputError, match=message):
        Operator(*arguments)
