"""Liquid time-constant networks (Hasani et al. 2021, arXiv 2006.04439): neurons coupled by conductance synapses.

    c_i dv_i/dt = g_i (e_i - v_i) + sum_j w_ji s(sigma_ji (v_j - mu_ji)) (E_ji - v_i) + the same of the inputs u_j

with leak conductances g, capacities c and synapse weights w >= 0. Between two rows, dt apart, `substeps` fused steps of
length d = dt / substeps are taken, explicit in the synapses and implicit in v_i (algorithm 1):

    v <- (c v + d (g e + sum_j W_j E_j)) / (c + d (g + sum_j W_j)),    W_j = w_j s(sigma_j (v_j - mu_j)),

stable for every d. The input is u = a x + b, the output y = p v + q, elementwise.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.layer import Layer
from alternax.layers.inputs import check_row, check_rows, check_size, check_state
from alternax.layers.loop import loop_over_rows

LTCState = Float[Array, "dim"]


class Synapses(eqx.Module):
    """All synapses from one group of neurons (first axis) onto another (second axis).

    Attributes:
        weight: Before a softplus, which makes it w >= 0.
        slope: sigma.
        threshold: mu.
        reversal: E; its sign says whether a synapse excites or inhibits.
    """

    weight: Float[Array, "source target"]
    slope: Float[Array, "source target"]
    threshold: Float[Array, "source target"]
    reversal: Float[Array, "source target"]

    def __init__(self, source: int, target: int, *, key: PRNGKeyArray):
        """Weights, slopes and thresholds start uniform; a synapse excites or inhibits with equal chance."""
        shape = (source, target)
        weight_key, slope_key, threshold_key, sign_key = jax.random.split(key, 4)
        self.weight = _inverse_softplus(jax.random.uniform(weight_key, shape, minval=0.001, maxval=1.0))
        self.slope = jax.random.uniform(slope_key, shape, minval=3.0, maxval=8.0)
        self.threshold = jax.random.uniform(threshold_key, shape, minval=0.3, maxval=0.8)
        self.reversal = jax.random.rademacher(sign_key, shape, self.slope.dtype)

    def __call__(self, v: Float[Array, "source"]) -> tuple[Float[Array, "target"], Float[Array, "target"]]:
        """The currents at potential zero, sum_j W_j E_j, and the conductances, sum_j W_j."""
        active = jax.nn.softplus(self.weight) * jax.nn.sigmoid(self.slope * (v[:, None] - self.threshold))
        return jnp.sum(active * self.reversal, axis=0), jnp.sum(active, axis=0)


class LTC(Layer):
    """Liquid time-constant layer; its state is the potentials v, and `dt` is the time since the row before.

    Attributes:
        dim: Width of input and output, number of neurons.
        substeps: Solver steps a row.
    """

    dim: int = eqx.field(static=True)
    substeps: int = eqx.field(static=True)
    capacity: Float[Array, "dim"]
    leak: Float[Array, "dim"]
    rest: Float[Array, "dim"]
    inputs: Synapses
    neurons: Synapses
    input_map: Float[Array, "2 dim"]
    output_map: Float[Array, "2 dim"]

    def __init__(self, dim: int, *, substeps: int = 6, key: PRNGKeyArray):
        """Every neuron is coupled to every input and every neuron, itself included.

        Args:
            dim: Width of input and output, number of neurons.
            substeps: Solver steps a row.
            key: JAX random key.

        Raises:
            InputError: sizes below 1.

        Example:
            >>> y, v = LTC(4, key=jax.random.key(0))(jnp.ones((10, 4)), dt=jnp.full(10, 0.5))
        """
        check_size("LTC", dim=dim, substeps=substeps)
        capacity_key, leak_key, rest_key, input_key, neuron_key = jax.random.split(key, 5)
        self.dim, self.substeps = dim, substeps
        self.capacity = _inverse_softplus(jax.random.uniform(capacity_key, (dim,), minval=0.4, maxval=0.6))
        self.leak = _inverse_softplus(jax.random.uniform(leak_key, (dim,), minval=0.001, maxval=1.0))
        self.rest = jax.random.uniform(rest_key, (dim,), minval=-0.2, maxval=0.2)
        self.inputs, self.neurons = Synapses(dim, dim, key=input_key), Synapses(dim, dim, key=neuron_key)
        self.input_map = self.output_map = jnp.stack([jnp.ones(dim), jnp.zeros(dim)])

    def init_state(self) -> LTCState:
        """The state of zeros."""
        return jnp.zeros(self.dim, self.rest.dtype)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: LTCState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], Float[Array, "*kept_shape dim"]]:
        """See `Layer`; `dt` is the time since the row before, 1 everywhere if None."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        rows = (x, jnp.ones(x.shape[0], x.dtype) if dt is None else dt)
        # Each row's solver steps are taken again in the backward pass: kept, they would be most of the memory.
        step = jax.checkpoint(lambda row, v: self._next(row, v), prevent_cse=False)
        v, last = loop_over_rows(step, rows, state, self.init_state(), valid=valid, resets=resets, keep=keep)
        return self.output_map[0] * v + self.output_map[1], last

    def step(
        self, x_t: Float[Array, "dim"], state: LTCState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], LTCState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        v, _ = self._next((x_t, jnp.ones((), x_t.dtype) if dt is None else dt), state)
        return self.output_map[0] * v + self.output_map[1], v

    def _next(self, row: tuple[Array, Array], v: LTCState) -> tuple[LTCState, LTCState]:
        """The potentials after one row, twice: as output and as state."""
        x_t, dt = row
        capacity, leak = jax.nn.softplus(self.capacity), jax.nn.softplus(self.leak)
        current, conductance = self.inputs(self.input_map[0] * x_t + self.input_map[1])
        current, conductance, d = current + leak * self.rest, conductance + leak, dt / self.substeps

        def substep(v, _):
            inner, coupled = self.neurons(v)
            return (capacity * v + d * (current + inner)) / (capacity + d * (conductance + coupled)), None

        v, _ = jax.lax.scan(substep, v, length=self.substeps)
        return v, v


def _inverse_softplus(v: Array) -> Array:
    return jnp.log(jnp.expm1(v))
