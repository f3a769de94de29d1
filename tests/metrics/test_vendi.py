"""Vendi scores against the package vendi-score, their bounds, and what is no similarity."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from alternax import metrics
from alternax.core.errors import InputError

GOLDEN = load_file(Path(__file__).parents[1] / "golden" / "metrics" / "vendi.safetensors")


def test_equals_the_package_vendi_score():
    for order, want in zip(GOLDEN["orders"], GOLDEN["scores"].T, strict=True):
        np.testing.assert_allclose(metrics.vendi_score(GOLDEN["K"], float(order)), want, rtol=1e-10)


@pytest.mark.parametrize("order", [0.5, 1.0, 2.0, np.inf])
def test_is_the_number_of_kinds(order):
    """Four members, two of them the same and apart from all others, are three kinds, not equally frequent."""
    np.testing.assert_allclose(
        metrics.vendi_score(np.stack([np.eye(4), np.ones((4, 4))]), order), [4.0, 1.0], rtol=1e-6
    )
    twins = np.eye(4)
    twins[0, 1] = twins[1, 0] = 1.0
    shares = np.array([0.5, 0.25, 0.25])
    want = {0.5: (shares**0.5).sum() ** 2, 1.0: np.exp(-(shares * np.log(shares)).sum()), 2.0: 1 / (shares**2).sum()}
    assert metrics.vendi_score(twins, order) == pytest.approx(want.get(order, 2.0), rel=1e-6)


@pytest.mark.parametrize(
    ("K", "order", "message"),
    [
        (np.ones((2, 3)), 1.0, r"square similarities of shape \(..., n, n\) with n >= 1; found \(2, 3\)"),
        (np.ones((0, 0)), 1.0, r"found \(0, 0\)"),
        (np.full((2, 2), np.nan), 1.0, "must be finite; found NaN or infinity"),
        (np.array([[1.0, 0.2], [0.3, 1.0]]), 1.0, "must be symmetric"),
        (np.array([[0.0, 1.0], [1.0, 0.0]]), 1.0, "similarity 1 to itself; found 0 on the diagonal"),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), 1.0, "eigenvalue -1: expected none below 0; use a kernel"),
        (np.eye(2), 0.0, r"order of a Vendi score must be above 0; found 0\.0"),
    ],
)
def test_refuses_what_is_no_similarity(K, order, message):
    with pytest.raises(InputError, match=message):
        metrics.vendi_score(K, order)
