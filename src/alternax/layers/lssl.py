"""LSSL, the linear state-space layer (Gu et al. 2021, arXiv 2110.13985): a dense structured system in every channel.

    h'(t) = A h(t) + B x(t),    y(t) = C h(t) + D x(t),        h of `state_dim` numbers a channel

A and B are shared by all channels and start as HiPPO-LegS; each channel has its own step Delta, C and D. The bilinear
rule, with Delta times the elapsed time dt,

    h_t = (I - Delta/2 A)^{-1} ((I + Delta/2 A) h_{t-1} + Delta B x_t) = A_bar h_{t-1} + B_bar x_t,

makes a recurrence of it. A stays lower triangular with a negative diagonal, as LegS has it: that keeps it stable
whatever is learned, and a solve costs state_dim^2.

Three views: rows of any distance, masks and resets take the recurrence itself. Regular rows take the convolution with
K_s = C A_bar^s B_bar in chunks of T rows, S_c the state before chunk c,

    y_{cT+i} = sum_{j<=i} K_{i-j} x_{cT+j} + C A_bar^{i+1} S_c,
    S_{c+1}  = A_bar^T S_c + sum_j A_bar^{T-1-j} B_bar x_{cT+j},

where the Krylov vectors A_bar^s B_bar and C A_bar^s double in number with every squaring of A_bar.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import Layer
from alternax.layers import initial
from alternax.layers.inputs import check_row, check_rows, check_size, check_state
from alternax.ops.chunks import from_chunks, in_chunks
from alternax.ops.hippo import hippo

LSSLState = Float[Array, "dim state_dim"]


class Krylov(NamedTuple):
    """What the chunks of the convolution are made of.

    Attributes:
        powers: A_bar^1, A_bar^2, A_bar^4 ... A_bar^T.
        reach: A_bar^s B_bar for s < T.
        respond: C A_bar^{i+1} for i < T.
    """

    powers: list[Float[Array, "dim state_dim state_dim"]]
    reach: Float[Array, "dim state_dim chunk"]
    respond: Float[Array, "dim chunk state_dim"]


class LSSL(Layer):
    """Linear state-space layer; `dt` multiplies its step sizes.

    Attributes:
        dim: Width of input and output.
        state_dim: Length of h in every channel.
        chunk: Rows in a chunk of the convolution.
        decay_log: Logarithm of minus the diagonal of A.
        lower: A below its diagonal; the rest is not read.
    """

    dim: int = eqx.field(static=True)
    state_dim: int = eqx.field(static=True)
    chunk: int = eqx.field(static=True)
    decay_log: Float[Array, "state_dim"]
    lower: Float[Array, "state_dim state_dim"]
    step_log: Float[Array, "dim"]
    B: Float[Array, "state_dim"]
    C: Float[Array, "dim state_dim"]
    D: Float[Array, "dim"]

    def __init__(
        self,
        dim: int,
        *,
        state_dim: int = 64,
        step_min: float = 1e-3,
        step_max: float = 1e-1,
        chunk: int = 64,
        key: PRNGKeyArray,
    ):
        """A and B start as HiPPO-LegS, C and D normal.

        Args:
            dim: Width of input and output.
            state_dim: Length of h in every channel.
            step_min: Smallest step at the start, in units of the usual time between rows.
            step_max: Largest step at the start; drawn between the two, uniformly in the logarithm.
            chunk: Rows that the convolution takes at once, a power of two; changes speed only.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, steps outside 0 < step_min <= step_max, a chunk that is no power of two.

        Example:
            >>> y, state = LSSL(4, state_dim=16, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        check_size("LSSL", dim=dim, state_dim=state_dim, chunk=chunk)
        if chunk & (chunk - 1):
            raise InputError(f"LSSL: expected a power of two as chunk, found {chunk}.")
        step_key, c_key, d_key = jax.random.split(key, 3)
        A, B = (jnp.asarray(v, dtype=float) for v in hippo("legs", state_dim))
        self.dim, self.state_dim, self.chunk = dim, state_dim, chunk
        self.decay_log, self.lower, self.B = jnp.log(-jnp.diagonal(A)), jnp.tril(A, -1), B
        self.step_log = initial.log_uniform_step(dim, step_min, step_max, key=step_key)
        self.C = initial.normal((dim, state_dim), state_dim, key=c_key)
        self.D = jax.random.normal(d_key, (dim,))

    @property
    def A(self) -> Float[Array, "state_dim state_dim"]:  # noqa: N802
        """The state matrix."""
        return jnp.tril(self.lower, -1) - jnp.diag(jnp.exp(self.decay_log))

    def init_state(self) -> LSSLState:
        """The state of zeros."""
        return jnp.zeros_like(self.C)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: LSSLState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], Float[Array, "*kept_shape dim state_dim"]]:
        """See `Layer`; `dt` is the time since the row before, 1 everywhere if None."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        if valid is None and resets is None and dt is None:
            return self._convolved(x, state, keep)
        A_bar, B_bar = self._discrete() if dt is None else (None, None)

        def body(h, row):
            x_t, dt_t, taken, restarted = row
            before = h if restarted is None else jnp.where(restarted, 0.0, h)
            after = self._move(before, x_t, dt_t) if A_bar is None else _times(A_bar, before) + B_bar * x_t[:, None]
            h = after if taken is None else jnp.where(taken, after, before)
            return h, (self._output(after, x_t), None if keep is None else h)

        last, (y, states) = jax.lax.scan(jax.checkpoint(body), state, (x, dt, valid, resets))
        return y, last if keep is None else states[keep]

    def step(
        self, x_t: Float[Array, "dim"], state: LSSLState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], LSSLState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        h = self._move(state, x_t, 1.0 if dt is None else dt)
        return self._output(h, x_t), h

    def _output(self, h: LSSLState, x_t: Float[Array, "dim"]) -> Float[Array, "dim"]:
        return jnp.sum(self.C * h, axis=-1) + self.D * x_t

    def _move(self, h: LSSLState, x_t: Float[Array, "dim"], dt: Scalar | float) -> LSSLState:
        """One step by a triangular solve in every channel."""
        step = (dt * jnp.exp(self.step_log))[:, None]
        return self._solve(step, (h + step / 2 * (h @ self.A.T) + step * self.B * x_t[:, None])[..., None])[..., 0]

    def _solve(self, step: Float[Array, "dim 1"], right: Float[Array, "dim state_dim columns"]) -> Array:
        """The product (I - Delta/2 A)^{-1} right."""
        left = jnp.eye(self.state_dim, dtype=self.C.dtype) - step[..., None] / 2 * self.A
        return jax.lax.linalg.triangular_solve(left, right, left_side=True, lower=True)

    def _discrete(self) -> tuple[Float[Array, "dim state_dim state_dim"], LSSLState]:
        """A_bar and B_bar of a usual step."""
        step = jnp.exp(self.step_log)[:, None]
        forward = jnp.eye(self.state_dim, dtype=self.C.dtype) + step[..., None] / 2 * self.A
        both = self._solve(step, jnp.concatenate([forward, (step * self.B)[..., None]], axis=-1))
        return both[..., :-1], both[..., -1]

    def _convolved(self, x: Float[Array, "time dim"], state: LSSLState, keep: Int[Array, "kept"] | None):
        """Outputs and states of regular rows, by chunks."""
        time, T = x.shape[0], self.chunk
        powers, reach, respond = self._krylov()
        chunks = in_chunks(x, T)
        inflow = jnp.einsum("dns,csd->cdn", reach[..., ::-1], chunks)
        starts = jax.lax.scan(lambda h, w: (_times(powers[-1], h) + w, h), state, inflow)[1]
        kernel = jnp.einsum("dn,dns->ds", self.C, reach)
        lag = jnp.arange(T)[:, None] - jnp.arange(T)
        toeplitz = jnp.where(lag >= 0, kernel[:, jnp.maximum(lag, 0)], 0.0)
        y = jnp.einsum("dij,cjd->cid", toeplitz, chunks) + jnp.einsum("din,cdn->cid", respond, starts)
        rows = jnp.array([time - 1]) if keep is None else keep % time
        states = jax.vmap(lambda row: _state_after(row, chunks, starts, powers, reach))(rows)
        return from_chunks(y, time) + self.D * x, states[0] if keep is None else states

    def _krylov(self) -> Krylov:
        """All by doubling: [v, A_bar v, ... ] of 2n vectors is that of n and A_bar^n times it."""
        A_bar, B_bar = self._discrete()
        powers, reach = [A_bar], B_bar[..., None]
        respond = jnp.einsum("dn,dnm->dm", self.C, A_bar)[:, None]
        while reach.shape[-1] < self.chunk:
            reach = jnp.concatenate([reach, powers[-1] @ reach], axis=-1)
            respond = jnp.concatenate([respond, respond @ powers[-1]], axis=1)
            powers.append(powers[-1] @ powers[-1])
        return Krylov(powers, reach, respond)


def _times(A: Float[Array, "dim state_dim state_dim"], h: LSSLState) -> LSSLState:
    return jnp.einsum("dnm,dm->dn", A, h)


def _state_after(row: Int[Array, ""], chunks: Array, starts: Array, powers: list[Array], reach: Array) -> LSSLState:
    """The state after a row: that before its chunk, moved by binary powers, and the rows of the chunk up to it."""
    chunk, place = row // chunks.shape[1], row % chunks.shape[1]
    h = starts[chunk]
    for bit, power in enumerate(powers):
        h = jnp.where((place + 1) >> bit & 1, _times(power, h), h)
    back = place - jnp.arange(chunks.shape[1])
    rows = jnp.where((back >= 0)[:, None], chunks[chunk, back], 0.0)
    return h + jnp.einsum("dns,sd->dn", reach, rows)
