"""The law of one row when only some of its entries were measured: exact marginal density, exact conditional draw.

A numpyro distribution is built inside the trace that uses it and never crosses scan, vmap or jit; its batch axes lead
and its event is one row `(obs_dim,)`. Every family has both functions or is refused by name.
"""

import math
from functools import singledispatch
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.linalg import cho_solve, solve_triangular
from jaxtyping import Array, Bool, Float, PRNGKeyArray
from numpyro.distributions import constraints

_LOG_2PI = math.log(2 * math.pi)


class Columns(dist.Distribution):
    """One row whose columns are of different kinds, independent given the parameters.

    Args:
        parts: Pairs of column indices and a univariate distribution (event shape `()`) whose last batch axis runs over
            those columns; together the indices name every column `0 .. obs_dim - 1` once.

    Example:
        >>> law = Columns((((0, 2), dist.Normal(jnp.zeros(2), 1.0)), ((1,), dist.Poisson(jnp.ones(1)))))
        >>> law.event_shape
        (3,)
    """

    pytree_data_fields = ("laws",)
    pytree_aux_fields = ("indices",)
    support = constraints.dependent(is_discrete=False, event_dim=1)

    def __init__(
        self, parts: tuple[tuple[tuple[int, ...], dist.Distribution], ...], *, validate_args: bool | None = None
    ):
        self.indices = tuple(tuple(int(i) for i in columns) for columns, _ in parts)
        self.laws = tuple(law for _, law in parts)
        for columns, law in zip(self.indices, self.laws, strict=True):
            if law.event_shape != () or law.batch_shape[-1:] != (len(columns),):
                raise ValueError(
                    f"columns {columns} need a univariate distribution with last batch axis {len(columns)}; "
                    f"{type(law).__name__} has batch shape {law.batch_shape}, event shape {law.event_shape}"
                )
        named = sorted(i for columns in self.indices for i in columns)
        if named != list(range(len(named))):
            raise ValueError(f"the parts must name every column from 0 on exactly once, found {named}")
        batch = jnp.broadcast_shapes(*(law.batch_shape[:-1] for law in self.laws))
        super().__init__(batch, (len(named),), validate_args=validate_args)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Array:
        """Rows `(*sample_shape, *batch, obs_dim)`, counts and categories as floats."""
        shape = (*sample_shape, *self.batch_shape)
        keys = jax.random.split(key, len(self.laws))
        return self._join(
            [_sample(law, (*shape, len(c)), k) for c, law, k in zip(self.indices, self.laws, keys, strict=True)]
        )

    def log_prob(self, value: Float[Array, "*shape obs_dim"]) -> Array:
        """Log density of whole rows."""
        return observed_log_prob(self, value, jnp.ones(jnp.shape(value), bool))

    @property
    def mean(self) -> Array:
        """Mean of every column."""
        return self._join([law.mean for law in self.laws])

    @property
    def variance(self) -> Array:
        """Variance of every column."""
        return self._join([law.variance for law in self.laws])

    def _join(self, pieces: list[Array]) -> Array:
        batch = jnp.broadcast_shapes(*(jnp.shape(piece)[:-1] for piece in pieces), self.batch_shape)
        dtype = jnp.result_type(float, *pieces)
        row = jnp.zeros((*batch, *self.event_shape), dtype)
        for columns, piece in zip(self.indices, pieces, strict=True):
            row = row.at[..., jnp.array(columns)].set(jnp.asarray(piece, dtype))
        return row


@singledispatch
def observed_log_prob(
    d: Any, x: Float[Array, "*batch obs_dim"], observed: Bool[Array, "*batch obs_dim"]
) -> Float[Array, "*batch"]:
    """Log density of the observed entries of each row, the missing ones integrated out.

    Args:
        d: Independent univariate (`.to_event(1)`), `LowRankMultivariateNormal`, `MultivariateNormal`, `Columns`, or a
            `MixtureSameFamily` of these; event shape `(obs_dim,)`.
        x: Rows; what stands where `observed` is False is never read.
        observed: True where the entry was measured.

    Returns:
        One number per row; 0 for a row with nothing observed.

    Raises:
        TypeError: For any other family.
    """
    raise TypeError(_refusal(d))


@singledispatch
def complete(
    d: Any, x: Float[Array, "*batch obs_dim"], observed: Bool[Array, "*batch obs_dim"], key: PRNGKeyArray
) -> Float[Array, "*batch obs_dim"]:
    """Rows whose observed entries are kept and whose missing ones are drawn from their law given the observed ones.

    Every row of a batch gets a draw of its own from the one `key`. Arguments and errors as for `observed_log_prob`.
    """
    raise TypeError(_refusal(d))


def _refusal(d: Any) -> str:
    return (
        f"no exact marginal and conditional for an emission of type {_name(d)}; use independent univariates "
        "(.to_event(1)), LowRankMultivariateNormal, MultivariateNormal, Columns, or a MixtureSameFamily of these"
    )


def _name(d: Any) -> str:
    return f"Independent({_name(d.base_dist)})" if isinstance(d, dist.Independent) else type(d).__name__


def _entry_log_prob(law: dist.Distribution, x: Array, observed: Array) -> Array:
    """Entrywise log density, 0 where missing; there x is first moved into the support, so gradients stay finite."""
    inside = jnp.where(observed, x, jnp.asarray(law.support.feasible_like(x), x.dtype))
    value = jnp.round(inside).astype(int) if law.is_discrete else inside
    return jnp.where(observed, law.log_prob(value), 0.0)


def _sample(law: dist.Distribution, shape: tuple[int, ...], key: PRNGKeyArray) -> Array:
    """A draw of its own for every element of `shape`, also where the parameters are shared."""
    return jnp.asarray(law.expand(shape).sample(key))


def _rows_shape(d: dist.Distribution, x: Array, observed: Array) -> tuple[int, ...]:
    return jnp.broadcast_shapes(d.shape(), jnp.shape(x), jnp.shape(observed))


def _univariate(d: dist.Independent) -> dist.Distribution:
    if d.base_dist.event_shape != () or d.event_dim != 1:
        raise TypeError(_refusal(d))
    return d.base_dist


@observed_log_prob.register
def _(d: dist.Independent, x: Array, observed: Array) -> Array:
    return _entry_log_prob(_univariate(d), x, observed).sum(-1)


@complete.register
def _(d: dist.Independent, x: Array, observed: Array, key: PRNGKeyArray) -> Array:
    draw = _sample(_univariate(d), _rows_shape(d, x, observed), key)
    return jnp.where(observed, x, draw.astype(x.dtype))


@observed_log_prob.register
def _(d: Columns, x: Array, observed: Array) -> Array:
    parts = [
        _entry_log_prob(law, x[..., at], observed[..., at]).sum(-1)
        for at, law in zip(map(jnp.array, d.indices), d.laws, strict=True)
    ]
    return sum(parts[1:], parts[0])


@complete.register
def _(d: Columns, x: Array, observed: Array, key: PRNGKeyArray) -> Array:
    draw = _sample(d, _rows_shape(d, x, observed)[:-1], key)
    return jnp.where(observed, x, draw.astype(x.dtype))


def _factor_posterior(d: dist.LowRankMultivariateNormal, residual: Array, observed: Array) -> tuple[Array, Array]:
    """Cholesky factor of the precision and mean of the factors w given the observed part of x = loc + W w + D^(1/2) e.

    P = I + W_o' D_o^-1 W_o, mean = P^-1 W_o' D_o^-1 (x - loc)_o (Rasmussen and Williams 2006, appendix A.3).
    """
    weight = jnp.where(observed, 1 / d.cov_diag, 0.0)
    gram = _weighted_gram(d.cov_factor, weight)
    chol = jnp.linalg.cholesky(gram + jnp.eye(gram.shape[-1], dtype=gram.dtype))
    projected = _matvec(jnp.swapaxes(d.cov_factor, -1, -2), weight * residual)
    return chol, _cho_solve(chol, projected)


def _weighted_gram(factor: Array, weight: Array) -> Array:
    """W' diag(weight) W for every row; a W shared by all rows is never copied per row."""
    rank = factor.shape[-1]
    if math.prod(factor.shape[:-2]) == 1:
        pairs = (factor[..., :, None] * factor[..., None, :]).reshape(-1, rank * rank)
        return jnp.matmul(weight, pairs, precision="highest").reshape(*weight.shape[:-1], rank, rank)
    return jnp.einsum("...or,...o,...os->...rs", factor, weight, factor, precision="highest")


@observed_log_prob.register
def _(d: dist.LowRankMultivariateNormal, x: Array, observed: Array) -> Array:
    residual = jnp.where(observed, x - d.loc, 0.0)
    chol, factors = _factor_posterior(d, residual, observed)
    # r' S^-1 r written as two squares: nothing cancels in float32, unlike in r' D^-1 r - |L^-1 W' D^-1 r|^2.
    rest = residual - _matvec(d.cov_factor, factors)
    square = jnp.where(observed, rest**2 / d.cov_diag, 0.0).sum(-1) + (factors**2).sum(-1)
    log_det = 2 * _log_diagonal(chol) + jnp.where(observed, jnp.log(d.cov_diag), 0.0).sum(-1)
    return -0.5 * (square + log_det + _LOG_2PI * observed.sum(-1))


@complete.register
def _(d: dist.LowRankMultivariateNormal, x: Array, observed: Array, key: PRNGKeyArray) -> Array:
    shape, rank = _rows_shape(d, x, observed), jnp.shape(d.cov_factor)[-1]
    factor_key, noise_key = jax.random.split(key)
    chol, mean = _factor_posterior(d, jnp.where(observed, x - d.loc, 0.0), observed)
    factors = mean + _solve_transposed(chol, jax.random.normal(factor_key, (*shape[:-1], rank), x.dtype))
    noise = jnp.sqrt(d.cov_diag) * jax.random.normal(noise_key, shape, x.dtype)
    return jnp.where(observed, x, d.loc + _matvec(d.cov_factor, factors) + noise)


def _observed_cholesky(d: dist.MultivariateNormal, observed: Array) -> Array:
    """Cholesky factor of the covariance whose missing rows and columns are those of the identity."""
    both = observed[..., :, None] & observed[..., None, :]
    return jnp.linalg.cholesky(jnp.where(both, d.covariance_matrix, jnp.eye(d.event_shape[0], dtype=d.loc.dtype)))


@observed_log_prob.register
def _(d: dist.MultivariateNormal, x: Array, observed: Array) -> Array:
    chol = _observed_cholesky(d, observed)
    white = _solve(chol, jnp.where(observed, x - d.loc, 0.0))
    return -0.5 * ((white**2).sum(-1) + 2 * _log_diagonal(chol) + _LOG_2PI * observed.sum(-1))


@complete.register
def _(d: dist.MultivariateNormal, x: Array, observed: Array, key: PRNGKeyArray) -> Array:
    """Matheron's rule: a joint draw y, moved by Cov(missing, observed) Cov(observed)^-1 (x - y)_observed."""
    noise = jax.random.normal(key, _rows_shape(d, x, observed), x.dtype)
    joint = d.loc + _matvec(d.scale_tril, noise)
    gain = _cho_solve(_observed_cholesky(d, observed), jnp.where(observed, x - joint, 0.0))
    return jnp.where(observed, x, joint + _matvec(d.covariance_matrix, gain))


def _matvec(matrix: Array, vector: Array) -> Array:
    """Matrix times vector over broadcast batch axes, in full precision on every device."""
    if math.prod(matrix.shape[:-2]) == 1:
        return jnp.matmul(vector, matrix.reshape(matrix.shape[-2:]).T, precision="highest")
    return jnp.einsum("...ij,...j->...i", matrix, vector, precision="highest")


def _solve(chol: Array, vector: Array) -> Array:
    return _broadcast(lambda a, b: solve_triangular(a, b, lower=True), chol, vector)


def _solve_transposed(chol: Array, vector: Array) -> Array:
    return _broadcast(lambda a, b: solve_triangular(a, b, lower=True, trans="T"), chol, vector)


def _cho_solve(chol: Array, vector: Array) -> Array:
    return _broadcast(lambda a, b: cho_solve((a, True), b), chol, vector)


def _broadcast(solve, chol: Array, vector: Array) -> Array:
    """Apply a solver of one matrix and one vector over broadcast batch axes."""
    return jnp.vectorize(solve, signature="(n,n),(n)->(n)")(chol, vector)


def _log_diagonal(chol: Array) -> Array:
    return jnp.log(jnp.diagonal(chol, axis1=-2, axis2=-1)).sum(-1)


def _component_log_prob(d: dist.MixtureSameFamily, x: Array, observed: Array) -> Array:
    """Log weight plus log density of the observed entries, per component `(*batch, components)`."""
    weights = jax.nn.log_softmax(d.mixing_distribution.logits)
    return weights + observed_log_prob(d.component_distribution, x[..., None, :], observed[..., None, :])


@observed_log_prob.register
def _(d: dist.MixtureSameFamily, x: Array, observed: Array) -> Array:
    if d.event_dim != 1:
        raise TypeError(_refusal(d))
    return jax.nn.logsumexp(_component_log_prob(d, x, observed), axis=-1)


@complete.register
def _(d: dist.MixtureSameFamily, x: Array, observed: Array, key: PRNGKeyArray) -> Array:
    """The component from its posterior given the observed entries, then the rest from that component."""
    if d.event_dim != 1:
        raise TypeError(_refusal(d))
    shape = _rows_shape(d, x, observed)
    choice_key, draw_key = jax.random.split(key)
    log_weights = _component_log_prob(d, x, observed)
    choice = jax.random.categorical(choice_key, log_weights, shape=shape[:-1])
    whole_x = jnp.broadcast_to(x[..., None, :], (*shape[:-1], d.mixture_size, shape[-1]))
    draws = complete(d.component_distribution, whole_x, observed[..., None, :], draw_key)
    return jnp.take_along_axis(draws, choice[..., None, None], axis=-2)[..., 0, :]
