"""A bank of diagonal systems, one a channel: x' = diag(lambda) x + B u, y = Re(C x), made discrete exactly.

    zoh        A_bar = exp(z),                  B_bar = Delta B (exp(z) - 1) / z,     z = Delta lambda
    bilinear   A_bar = (1 + z/2) / (1 - z/2),   B_bar = Delta B / (1 - z/2)

An elapsed time dt between two rows makes the step dt Delta. (exp(z) - 1) / z is computed without cancellation, so that
steps of any size, zero included, are exact. Gu et al. 2022, arXiv 2206.11893, section 3.
"""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int, Scalar

from alternax.core.errors import InputError
from alternax.layers.channels import Bank, ChunkMaps, State
from alternax.ops import linear_scan
from alternax.ops.vandermonde import powers, vandermonde

Discretisation = Literal["zoh", "bilinear"]
Factors = tuple[Complex[Array, "dim pairs"], Complex[Array, "dim pairs"]]


class DiagonalBank(Bank):
    """Independent diagonal single-input, single-output systems.

    Attributes:
        rates: The eigenvalues lambda.
        step: Delta, the length of the usual step.
        inputs: B.
        outputs: C; twice that of one half where it stands for a conjugate pair.
        discretisation: "zoh" or "bilinear".
    """

    rates: Complex[Array, "dim pairs"]
    step: Float[Array, "dim"]
    inputs: Complex[Array, "dim pairs"]
    outputs: Complex[Array, "dim pairs"]
    discretisation: Discretisation = eqx.field(static=True)

    def discretised(self, dt: Scalar | None) -> Factors:
        """A_bar and B_bar."""
        delta = (self.step if dt is None else dt * self.step)[:, None]
        z = delta * self.rates
        if self.discretisation == "zoh":
            return complex_exp(z), delta * _exp_quotient(z) * self.inputs
        half = 1 / (1 - z / 2)
        return (1 + z / 2) * half, delta * half * self.inputs

    def move(self, step: Factors, h: State, x_t: Float[Array, "dim"]) -> State:
        """See `Bank`."""
        (factor, gain), x_t = step, x_t[:, None]
        # In real arithmetic, so that XLA keeps real and imaginary parts apart from one step to the next.
        real = factor.real * h.real - factor.imag * h.imag + gain.real * x_t
        return jax.lax.complex(real, factor.real * h.imag + factor.imag * h.real + gain.imag * x_t)

    def read(self, h: State) -> Float[Array, "dim"]:
        """See `Bank`."""
        return jnp.sum(self.outputs.real * h.real - self.outputs.imag * h.imag, axis=-1)

    def chunk_maps(self, chunk: int) -> ChunkMaps:
        """See `Bank`; the leap is one complex factor a state."""
        factor, gain = self.discretised(None)
        table = powers(factor, chunk + 1)
        taps = jnp.sum((table[:, :-1] * (gain * self.outputs)[:, None]).real, axis=-1)
        reach, respond = table[:, -2::-1] * gain[:, None], table[:, 1:] * self.outputs[:, None]
        return ChunkMaps(
            taps,
            jnp.concatenate([reach.real, reach.imag], axis=-1),
            jnp.concatenate([respond.real, -respond.imag], axis=-1),
            table[:, -1],
        )

    def boundaries(
        self, leap: Array, inputs: Float[Array, "chunks dim state"], h0: State
    ) -> Complex[Array, "chunks+1 dim pairs"]:
        """See `Bank`."""
        after = linear_scan(leap, jax.lax.complex(*jnp.split(inputs, 2, axis=-1)), h0)
        return jnp.concatenate([h0[None], after])

    def drift(self, h: State, count: Int[Array, ""], most: int) -> State:
        """See `Bank`; by the binary digits of the count."""
        factor = self.discretised(None)[0]
        for digit in range((most - 1).bit_length()):
            h = jnp.where(count >> digit & 1, factor * h, h)
            factor = factor**2
        return h

    def kernel(self, length: int) -> Float[Array, "length dim"]:
        """See `Bank`."""
        factor, gain = self.discretised(None)
        return vandermonde(gain * self.outputs, factor, length)


def check_discretisation(layer: str, discretisation: str) -> None:
    """A discretisation must be one of those there are."""
    if discretisation not in ("zoh", "bilinear"):
        raise InputError(f"{layer}: unknown discretisation {discretisation!r}; choose from ['zoh', 'bilinear'].")


def complex_exp(z: Complex[Array, "*shape"]) -> Complex[Array, "*shape"]:
    """The exponential of a complex array, in real arithmetic."""
    return jax.lax.complex(jnp.exp(z.real) * jnp.cos(z.imag), jnp.exp(z.real) * jnp.sin(z.imag))


def complex_expm1(z: Complex[Array, "*shape"]) -> Complex[Array, "*shape"]:
    """exp(z) - 1 without cancellation: e^a cos b - 1 = expm1(a) cos b - 2 sin(b/2)^2."""
    real = jnp.expm1(z.real) * jnp.cos(z.imag) - 2 * jnp.sin(z.imag / 2) ** 2
    return jax.lax.complex(real, jnp.exp(z.real) * jnp.sin(z.imag))


def _exp_quotient(z: Array) -> Array:
    """(exp(z) - 1) / z, by its series near zero."""
    small = jnp.maximum(jnp.abs(z.real), jnp.abs(z.imag)) < 1e-3
    away = jnp.where(small, 1.0, z)
    return jnp.where(small, 1 + z / 2 * (1 + z / 3 * (1 + z / 4 * (1 + z / 5))), complex_expm1(away) / away)
