"""Vendi score: how many different things a collection holds, from the similarities of its members."""

import numpy as np

from alternax.core.errors import InputError

TOLERANCE = 1e-6


def vendi_score(similarity: np.ndarray, order: float = 1.0) -> np.ndarray:
    """The exponential of the Renyi entropy of the eigenvalues of K / n.

    It is 1 where all members are the same and n where no two have anything in common.

    Args:
        similarity: K, shape (..., n, n): symmetric, positive semi-definite, 1 on the diagonal (a distance is none).
        order: Order q of the entropy, above 0; 1 is Shannon's, infinity counts the largest eigenvalue alone. Below 1
            eigenvalues near zero dominate, and with them rounding.

    Returns:
        The score of every matrix, shape (...).

    Raises:
        InputError: K is not square, not finite, not symmetric, not 1 on the diagonal or has a negative eigenvalue.

    Example:
        >>> round(float(vendi_score(np.eye(3))), 6), round(float(vendi_score(np.ones((3, 3)))), 6)
        (3.0, 1.0)

    Reference: Friedman and Dieng, "The Vendi Score", arXiv 2210.02410, definition 3.1; Pasarkar and Dieng, "Cousins of
    the Vendi Score", arXiv 2310.12952, for orders other than 1.
    """
    K = np.asarray(similarity, dtype=np.float64)
    check_order(order)
    _check(K)
    shares = np.linalg.eigvalsh(K / K.shape[-1])
    if shares.size and shares.min() < -TOLERANCE:
        raise InputError(f"K has the eigenvalue {shares.min() * K.shape[-1]:.3g}: expected none below 0; use a kernel.")
    shares = shares.clip(0.0)
    shares = shares / shares.sum(-1, keepdims=True)
    return np.asarray(_number(shares, order))


def _number(shares: np.ndarray, order: float) -> np.ndarray | np.floating:
    if order == np.inf:
        return 1 / shares.max(-1)
    if order == 1:
        logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
        return np.exp(-(shares * logs).sum(-1))
    return (shares**order).sum(-1) ** (1 / (1 - order))


def check_order(order: float) -> None:
    """The order of a Renyi entropy must be above 0."""
    if not order > 0:
        raise InputError(f"the order of a Vendi score must be above 0; found {order!r}.")


def _check(K: np.ndarray) -> None:
    if K.ndim < 2 or K.shape[-1] != K.shape[-2] or K.shape[-1] == 0:
        raise InputError(f"expected square similarities of shape (..., n, n) with n >= 1; found {K.shape}.")
    if not np.isfinite(K).all():
        raise InputError("similarities must be finite; found NaN or infinity.")
    if not np.allclose(K, np.swapaxes(K, -1, -2), atol=TOLERANCE):
        raise InputError("similarities must be symmetric; K[i, j] and K[j, i] differ.")
    diagonal = np.diagonal(K, axis1=-2, axis2=-1)
    if not np.allclose(diagonal, 1.0, atol=TOLERANCE):
        wrong = diagonal.ravel()[np.abs(diagonal.ravel() - 1).argmax()]
        raise InputError(f"a member must have similarity 1 to itself; found {wrong:.6g} on the diagonal.")
