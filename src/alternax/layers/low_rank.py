"""A bank of diagonal plus low rank systems, one a channel: x' = (diag(lambda) - P P*) x + B u, by the bilinear rule.

    (I - d/2 A) h_t = (I + d/2 A) h_{t-1} + d B x_t,    A = diag(lambda) - P P*,    d the step

One step costs no more than the state: with E = 1 / (1 - d/2 lambda), Woodbury's identity gives

    (I - d/2 A)^{-1} v = E v - d/2 E P M P* E v,    M = (I + d/2 P* E P)^{-1}, rank x rank,

at any elapsed time (arXiv 2111.00396, appendix C.2). The convolution kernel comes from its generating function at the
roots of unity z of an odd order m, so that z = -1 is none of them (theorem 3, appendix C.3): with C~ = C (I - A_bar^m),

    K^(z) = 2/(1+z) C~ (g - A)^{-1} B,    g = (2/Delta) (1-z)/(1+z),

which by Woodbury are Cauchy sums over 1 / (g - lambda). Sums over both halves of the conjugate pairs are 2 Re of one.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int, Scalar

from alternax.core.errors import InputError
from alternax.layers.channels import Bank, ChunkMaps, State
from alternax.ops.cauchy import cauchy


class Solver(NamedTuple):
    """What one step needs: d/2, E, E P and M."""

    half: Float[Array, "dim 1"]
    E: Complex[Array, "dim pairs"]
    EP: Complex[Array, "rank dim pairs"]
    M: Float[Array, "rank rank dim"]


class LowRankBank(Bank):
    """Independent diagonal plus low rank single-input, single-output systems.

    Attributes:
        rates: lambda, one of each conjugate pair.
        P: The low rank part, of rank 1 or 2.
        inputs: B.
        outputs: C, doubled for the conjugate half.
        step: Delta, the length of the usual step.
    """

    rates: Complex[Array, "dim pairs"]
    P: Complex[Array, "rank dim pairs"]
    inputs: Complex[Array, "dim pairs"]
    outputs: Complex[Array, "dim pairs"]
    step: Float[Array, "dim"]

    def discretised(self, dt: Scalar | None) -> Solver:
        """See `Bank`."""
        half = (self.step if dt is None else dt * self.step)[:, None] / 2
        E = 1 / (1 - half * self.rates)
        EP = E * self.P
        rank = jnp.eye(len(self.P), dtype=half.dtype)[..., None]
        return Solver(half, E, EP, _inverse(rank + half[:, 0] * _real_sum(self.P[:, None].conj() * EP)))

    def move(self, step: Solver, h: State, x_t: Float[Array, "dim"]) -> State:
        """See `Bank`."""
        forced = self.rates * h - self._low_rank(self.P, _real_sum(self.P.conj() * h)) + 2 * self.inputs * x_t[:, None]
        v = step.E * (h + step.half * forced)
        seen = jnp.sum(step.M * _real_sum(self.P.conj() * v), axis=1)
        return v - step.half * self._low_rank(step.EP, seen)

    def read(self, h: State) -> Float[Array, "dim"]:
        """See `Bank`."""
        return jnp.sum(self.outputs.real * h.real - self.outputs.imag * h.imag, axis=-1)

    def chunk_maps(self, chunk: int) -> ChunkMaps:
        """See `Bank`; the leap is a dense real matrix."""
        A, b, c = self._dense()
        reach = _krylov(A, b, chunk)
        respond = _krylov(jnp.swapaxes(A, 1, 2), c, chunk + 1)
        taps = jnp.einsum("hcn,hn->hc", reach, c, precision="highest")
        return ChunkMaps(taps, reach[:, ::-1], respond[:, 1:], jnp.linalg.matrix_power(A, chunk))

    def boundaries(
        self, leap: Array, inputs: Float[Array, "chunks dim state"], h0: State
    ) -> Complex[Array, "chunks+1 dim pairs"]:
        """See `Bank`."""

        def body(h, row):
            after = jnp.einsum("hij,hj->hi", leap, h, precision="highest") + row
            return after, after

        start = jnp.concatenate([h0.real, h0.imag], axis=-1)
        after = jax.lax.scan(body, start, inputs)[1]
        return jax.lax.complex(*jnp.split(jnp.concatenate([start[None], after]), 2, axis=-1))

    def drift(self, h: State, count: Int[Array, ""], most: int) -> State:
        """See `Bank`; by the binary digits of the count."""
        A, v = self._dense()[0], jnp.concatenate([h.real, h.imag], axis=-1)
        for digit in range((most - 1).bit_length()):
            v = jnp.where(count >> digit & 1, jnp.einsum("hij,hj->hi", A, v, precision="highest"), v)
            A = jnp.matmul(A, A, precision="highest")
        return jax.lax.complex(*jnp.split(v, 2, axis=-1))

    def kernel(self, length: int) -> Float[Array, "length dim"]:
        """See `Bank`."""
        points = length | 1
        A, _, c = self._dense()
        c = c - jnp.einsum("hi,hij->hj", c, jnp.linalg.matrix_power(A, points), precision="highest")
        left = jnp.concatenate([_half(c)[None], self.P.conj()])
        right = jnp.concatenate([self.inputs[None], self.P])
        # On the unit circle, z = exp(-i angle): (1-z)/(1+z) = i tan(angle/2) and 2/(1+z) = 1 + i tan(angle/2).
        tangent = jnp.tan(jnp.pi * jnp.arange(points // 2 + 1, dtype=self.step.dtype) / points)
        g = jax.lax.complex(jnp.zeros(()).astype(tangent.dtype), 2 / self.step[:, None] * tangent)
        both = lambda v: jnp.concatenate([v, v.conj()], axis=-1)  # noqa: E731
        sums = jax.vmap(jax.vmap(lambda c: cauchy(both(c), both(self.rates), g)))(left[:, None] * right)
        rank = jnp.eye(len(self.P), dtype=g.dtype)[..., None, None]
        M = _inverse(rank + sums[1:, 1:])
        spectrum = sums[0, 0] - jnp.einsum("rhz,rshz,shz->hz", sums[0, 1:], M, sums[1:, 0], precision="highest")
        return jnp.fft.irfft(spectrum * (1 + 1j * tangent), points).T[:length]

    def _dense(self) -> tuple[Float[Array, "dim state state"], Float[Array, "dim state"], Float[Array, "dim state"]]:
        """A_bar, B_bar and C on real parts followed by imaginary parts."""
        dim, pairs = self.rates.shape
        step = self.discretised(None)
        nothing, one = jnp.zeros_like(self.step), jnp.ones_like(self.step)
        unit = jnp.eye(pairs, dtype=self.rates.dtype)
        basis = jnp.broadcast_to(jnp.concatenate([unit, 1j * unit])[:, None], (2 * pairs, dim, pairs))
        columns = jax.vmap(lambda h: self.move(step, h, nothing))(basis)
        gain = self.move(step, jnp.zeros_like(self.rates), one)
        real = lambda v: jnp.concatenate([v.real, v.imag], axis=-1)  # noqa: E731
        return jnp.transpose(real(columns), (1, 2, 0)), real(gain), real(self.outputs.conj())

    def _low_rank(self, P: Array, seen: Float[Array, "rank dim"]) -> State:
        return jnp.sum(P * seen[..., None], axis=0)


def _real_sum(terms: Complex[Array, "*more dim pairs"]) -> Float[Array, "*more dim"]:
    """The sum over both halves of the conjugate pairs."""
    return 2 * jnp.sum(terms.real, axis=-1)


def _half(c: Float[Array, "dim state"]) -> Complex[Array, "dim pairs"]:
    """The weights C of y = 2 Re(C h) that are `c` on real and imaginary parts."""
    real, imaginary = jnp.split(c / 2, 2, axis=-1)
    return jax.lax.complex(real, -imaginary)


def _krylov(A: Float[Array, "dim n n"], b: Float[Array, "dim n"], count: int) -> Float[Array, "dim count n"]:
    """b, A b, A^2 b, ..., by repeated squaring of A."""
    table = b[:, None]
    while table.shape[1] < count:
        table = jnp.concatenate([table, jnp.einsum("hij,htj->hti", A, table, precision="highest")], axis=1)
        A = jnp.matmul(A, A, precision="highest")
    return table[:, :count]


def _inverse(M: Array) -> Array:
    """The inverse of matrices (rank, rank, ...) of rank 1 or 2, the axes of the matrices first."""
    if len(M) == 1:
        return 1 / M
    if len(M) == 2:
        (a, b), (c, d) = M
        return jnp.stack([jnp.stack([d, -b]), jnp.stack([-c, a])]) / (a * d - b * c)
    raise InputError(f"LowRankBank: expected P of rank 1 or 2, found rank {len(M)}.")
