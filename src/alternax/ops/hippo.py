"""HiPPO operators: the history of a signal as coefficients of orthonormal functions, kept up to date by a linear ODE.

    x'(t) = A x(t) + B u(t)                  LegT, FouT: the last `window` of time, with a uniform measure
    x'(t) = (1/t) (A x(t) + B u(t))          LegS: the whole history [0, t], stretched as it grows

The coefficients are x_n = E[u(s) phi_n(s)] under the measure, so that sum_n x_n phi_n approximates u. At position p in
[0, 1] from the oldest to the newest time, phi_n = sqrt(2n+1) P_n(2p - 1) (LegS, LegT; Legendre) or 1, 0 and sqrt(2)
times cos(2 pi n (1 - p)), sin(2 pi n (1 - p)) (FouT; the second is the sine of frequency zero, so that all come in
pairs). Each A is normal up to a low rank, A = S - P P^T with S normal, which is what S4 and the
layers after it are started from. All is computed in NumPy in double precision: it happens once, at construction.

Gu et al. 2020, arXiv 2008.07669 (LegT, LegS: theorems 1 and 2); Gu et al. 2022, arXiv 2206.12037 (FouT);
Gu et al. 2021, arXiv 2111.00396 (normal plus low rank: theorem 1).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Complex, Float

from alternax.core.errors import InputError

Measure = Literal["legs", "legt", "fout"]
Discretisation = Literal["zoh", "bilinear"]


class NormalPlusLowRank(NamedTuple):
    """A = V diag(rates) V* - P P^T, given by one of each conjugate pair of eigenvalues: x = 2 Re(V h), h = V* x.

    Attributes:
        rates: Eigenvalues of the normal part with non-negative imaginary part.
        low_rank: V* P, one row a rank.
        inputs: V* B.
        vectors: V, half of the columns of a unitary matrix.
    """

    rates: Complex[np.ndarray, "pairs"]
    low_rank: Complex[np.ndarray, "rank pairs"]
    inputs: Complex[np.ndarray, "pairs"]
    vectors: Complex[np.ndarray, "order pairs"]


def hippo(
    measure: Measure, order: int, *, window: float = 1.0
) -> tuple[Float[np.ndarray, "order order"], Float[np.ndarray, "order"]]:
    """The operators A and B of a measure.

    Args:
        measure: "legs", "legt" or "fout".
        order: Number of coefficients; even for "fout".
        window: Length of the window of "legt" and "fout", in the unit of time; "legs" has none.

    Returns:
        A and B of x' = A x + B u (for "legs" of x' = (A x + B u) / t).

    Raises:
        InputError: an unknown measure, an order below 1 or odd for "fout", a window that is not positive.

    Example:
        >>> hippo("legs", 2)[0]
        array([[-1.        ,  0.        ],
               [-1.73205081, -2.        ]])
    """
    _check(measure, order, window)
    n = np.arange(order)
    if measure == "fout":
        w = np.where(n % 2, 0.0, np.where(n == 0, 1.0, np.sqrt(2)))
        turn = 2 * np.pi * np.where(n % 2, n // 2, 0)[1:]  # cos_n' = -2 pi n sin_n, sin_n' = 2 pi n cos_n
        # The series of a window meets the mean of both ends there, hence twice the ends.
        return (np.diag(turn, -1) - np.diag(turn, 1) - 2 * np.outer(w, w)) / window, 2 * w / window
    root = np.sqrt(2 * n + 1)
    if measure == "legs":
        return -np.tril(np.outer(root, root), -1) - np.diag(n + 1.0), root
    sign = np.where(n[:, None] < n, (-1.0) ** (n[:, None] - n), 1.0)
    return -np.outer(root, root) * sign / window, root / window


def normal_plus_low_rank(measure: Measure, order: int, *, window: float = 1.0) -> NormalPlusLowRank:
    """The operators in the basis in which the normal part is diagonal.

    Args:
        measure: "legs" (rank 1), "legt" (rank 2) or "fout" (rank 1).
        order: Number of coefficients, even.
        window: As in `hippo`.

    Raises:
        InputError: as `hippo`, or an odd order.

    Example:
        >>> parts = normal_plus_low_rank("legs", 4)
        >>> parts.rates.real
        array([-0.5, -0.5])
    """
    A, B = hippo(measure, order, window=window)
    if order % 2:
        raise InputError(f"normal_plus_low_rank: conjugate pairs need an even order, found {order}.")
    P = _low_rank(measure, order, window)
    normal = A + P.T @ P
    rate = float(np.mean(np.diag(normal)))
    skew = normal - rate * np.eye(order)
    if measure == "fout":
        # Known in closed form; the two functions of frequency zero would come out of eigh as any mixture.
        frequencies = 2 * np.pi * np.arange(order // 2) / window
        V = np.kron(np.eye(order // 2), np.array([[1.0], [-1j]])) / np.sqrt(2)
    else:
        frequencies, V = np.linalg.eigh(-1j * skew)
        frequencies, V = frequencies[order // 2 :], V[:, order // 2 :]
    return NormalPlusLowRank(rate + 1j * frequencies, P @ V.conj(), B @ V.conj(), V)


def discretise(
    A: Float[np.ndarray, "order order"],
    B: Float[np.ndarray, "order"],
    step: float,
    method: Discretisation = "zoh",
) -> tuple[Float[np.ndarray, "order order"], Float[np.ndarray, "order"]]:
    """The recurrence x_k = A_bar x_{k-1} + B_bar u_k of x' = A x + B u over a step.

    Args:
        A: State matrix.
        B: Input vector.
        step: Length of a step, in the unit of time.
        method: "zoh", exact for inputs that are constant over a step, or "bilinear", the trapezoidal rule.

    Raises:
        InputError: an unknown method, a step that is not positive.

    Example:
        >>> A_bar, B_bar = discretise(*hippo("legt", 8), 0.01)
    """
    if not step > 0:
        raise InputError(f"discretise: expected a positive step, found {step}.")
    identity = np.eye(len(A))
    if method == "zoh":
        # exp of [[A, B], [0, 0]] holds both, with no inverse of A.
        joined = np.zeros((len(A) + 1, len(A) + 1))
        joined[:-1, :-1], joined[:-1, -1] = A, B
        both = scipy.linalg.expm(step * joined)
        return both[:-1, :-1], both[:-1, -1]
    if method == "bilinear":
        both = np.linalg.solve(identity - step / 2 * A, np.column_stack([identity + step / 2 * A, step * B]))
        return both[:, :-1], both[:, -1]
    raise InputError(f"discretise: unknown method {method!r}; choose from ['zoh', 'bilinear'].")


def legs_scan(
    u: Float[Array, "time"], order: int, method: Literal["zoh", "bilinear", "euler"] = "bilinear"
) -> Float[Array, "time order"]:
    """Coefficients of the whole history of `u` after each row: the LegS recurrence, which has no time scale.

    x_1 is the projection of a constant. Then, with A and B of `hippo("legs")` and k the rows seen before,

        euler     x_{k+1} = x_k + (A x_k + B u_k) / k                                                 (theorem 2)
        bilinear  (I - A / (2 (k+1))) x_{k+1} = (I + A / (2 k)) x_k + B u_k (1/k + 1/(k+1)) / 2
        zoh       x_{k+1} = R x_k + (I - R) e_0 u_k,  R = ((k+1)/k)^A,  exact for `u` constant over each row

    Args:
        u: A signal, one number a row.
        order: Number of coefficients.
        method: "bilinear" costs a triangular solve a row, "zoh" a matrix exponential; "euler" is stable only for
            orders that are small beside the number of rows seen.

    Raises:
        InputError: an order below 1, an unknown method, no rows.

    Example:
        >>> x = legs_scan(jnp.ones(100), 8)
    """
    if u.shape[0] == 0:
        raise InputError("legs_scan: expected at least one row.")
    if method not in _LEGS_STEPS:
        raise InputError(f"legs_scan: unknown method {method!r}; choose from {[*_LEGS_STEPS]}.")
    A, B = (jnp.asarray(v, u.dtype) for v in hippo("legs", order))
    start = jnp.zeros(order, u.dtype).at[0].set(u[0])

    def body(x, row):
        after = _LEGS_STEPS[method](A, B, x, *row)
        return after, after

    states = jax.lax.scan(body, start, (u[1:], jnp.arange(1, u.shape[0], dtype=u.dtype)))[1]
    return jnp.concatenate([start[None], states])


def hippo_basis(
    measure: Measure, order: int, positions: Float[np.ndarray, "points"]
) -> Float[np.ndarray, "points order"]:
    """The functions phi_n at positions from 0, the oldest time remembered, to 1, the newest.

    `hippo_basis(...) @ x` is the history that the coefficients x stand for.

    Args:
        measure: As in `hippo`.
        order: As in `hippo`.
        positions: Where to evaluate, within [0, 1].

    Raises:
        InputError: as `hippo`, or positions outside [0, 1].

    Example:
        >>> history = hippo_basis("legs", 8, np.linspace(0, 1, 100)) @ np.asarray(legs_scan(jnp.ones(50), 8)[-1])
    """
    _check(measure, order, 1.0)
    positions = np.asarray(positions, float)
    if positions.size and not (positions.min() >= 0 and positions.max() <= 1):
        raise InputError(f"hippo_basis: expected positions in [0, 1], found {positions.min()} to {positions.max()}.")
    n = np.arange(order)
    if measure == "fout":
        angle = 2 * np.pi * np.outer(1 - positions, n // 2)
        return np.where(n == 0, 1.0, np.sqrt(2) * np.where(n % 2, np.sin(angle), np.cos(angle)))
    return np.polynomial.legendre.legvander(2 * positions - 1, order - 1) * np.sqrt(2 * n + 1)


def _check(measure: str, order: int, window: float) -> None:
    if measure not in ("legs", "legt", "fout"):
        raise InputError(f"hippo: unknown measure {measure!r}; choose from ['legs', 'legt', 'fout'].")
    if order < 1:
        raise InputError(f"hippo: the order must be at least 1, found {order}.")
    if measure == "fout" and order % 2:
        raise InputError(f"hippo: the functions of 'fout' come in pairs: expected an even order, found {order}.")
    if not 0 < window < np.inf:
        raise InputError(f"hippo: expected a positive window, found {window}.")


def _low_rank(measure: str, order: int, window: float) -> Float[np.ndarray, "rank order"]:
    """P with A + P P^T normal, one row a rank."""
    n = np.arange(order)
    if measure == "legs":
        return np.sqrt(n + 0.5)[None]
    if measure == "legt":
        return np.sqrt((2 * n + 1) / window) * np.stack([n % 2 == 0, n % 2 == 1])
    return np.sqrt(2 / window) * np.where(n % 2, 0.0, np.where(n == 0, 1.0, np.sqrt(2)))[None]


def _euler(A: Array, B: Array, x: Array, u: Array, k: Array) -> Array:
    return x + (A @ x + B * u) / k


def _bilinear(A: Array, B: Array, x: Array, u: Array, k: Array) -> Array:
    right = x + A @ x / (2 * k) + B * u * (1 / k + 1 / (k + 1)) / 2
    return jax.scipy.linalg.solve_triangular(jnp.eye(len(B), dtype=B.dtype) - A / (2 * (k + 1)), right, lower=True)


def _zoh(A: Array, B: Array, x: Array, u: Array, k: Array) -> Array:
    constant = jnp.zeros_like(x).at[0].set(u)  # -A^{-1} B u, at rest under the input u
    return constant + jax.scipy.linalg.expm(A * jnp.log1p(1 / k)) @ (x - constant)


_LEGS_STEPS: dict[str, Callable[[Array, Array, Array, Array, Array], Array]] = {
    "zoh": _zoh,
    "bilinear": _bilinear,
    "euler": _euler,
}
