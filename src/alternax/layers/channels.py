"""Banks of linear time-invariant systems, one a channel, run over a sequence: the room that S4, S4D, DSS and GSS share.

    h_t = A_bar h_{t-1} + B_bar x_t,    y_t = 2 Re(C h_t)        in each channel, h complex, one of each conjugate pair

Three forms give the same numbers. *chunked*: with k_j = 2 Re(C A_bar^j B_bar) and S_c the state before chunk c of T
rows,

    y_{cT+i} = sum_{j<i} k_{i-j} x_{cT+j} + k_0 x_{cT+i} + 2 Re(C A_bar^{i+1} S_c),
    S_{c+1} = A_bar^T S_c + sum_j A_bar^{T-1-j} B_bar x_{cT+j},

three real matrix products a channel that every sequence of a batch shares, and a short loop over chunks. *fft*: one
kernel as long as the sequence, convolved by FFT, the states as before. *scan*: a loop over rows that recomputes its
states in the backward pass; the only one that takes resets and elapsed times. Rows that are not valid need no loop:
valid rows are packed to the front, and row t, valid or not, sees the state after the c_t valid rows before it.

On a CPU "auto" takes the chunked form, elsewhere the FFT; benchmarks/s4d.md has the times of all three on two cores.
"""

from abc import abstractmethod
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int, Scalar

from alternax.core.errors import InputError
from alternax.ops import fft_conv
from alternax.ops.chunks import in_chunks

Method = Literal["auto", "chunked", "fft", "scan"]
State = Complex[Array, "dim pairs"]

CHUNK = 64

# Channels that go through the chunked form together on a CPU.
AT_ONCE = 8


class ChunkMaps(NamedTuple):
    """The real matrices of the chunked form; a state counts as its real parts, then its imaginary parts.

    Attributes:
        taps: k_0 ... k_{T-1}.
        reach: A_bar^{T-1-j} B_bar, from row j to the state after the chunk.
        respond: C A_bar^{i+1}, from the state before the chunk to row i.
        leap: A_bar^T, as the bank's `boundaries` wants it.
    """

    taps: Float[Array, "dim chunk"]
    reach: Float[Array, "dim chunk state"]
    respond: Float[Array, "dim chunk state"]
    leap: Array


class Bank(eqx.Module):
    """What the forms need to know of the systems.

    Attributes:
        rates: Eigenvalues, one of each conjugate pair, of the systems or of what they are built on.
    """

    rates: eqx.AbstractVar[Complex[Array, "dim pairs"]]

    @abstractmethod
    def discretised(self, dt: Scalar | None) -> Any:
        """What `move` needs of a step that takes `dt` usual steps (None: one)."""

    @abstractmethod
    def move(self, step: Any, h: State, x_t: Float[Array, "dim"]) -> State:
        """A_bar h + B_bar x_t."""

    @abstractmethod
    def read(self, h: State) -> Float[Array, "dim"]:
        """2 Re(C h)."""

    @abstractmethod
    def chunk_maps(self, chunk: int) -> ChunkMaps:
        """The matrices of the chunked form."""

    @abstractmethod
    def boundaries(
        self, leap: Array, inputs: Float[Array, "chunks dim state"], h0: State
    ) -> Complex[Array, "chunks+1 dim pairs"]:
        """The states before the first chunk and after each: S_{c+1} = leap S_c + inputs_c."""

    @abstractmethod
    def drift(self, h: State, count: Int[Array, ""], most: int) -> State:
        """A_bar^count h, for a count below `most`."""

    @abstractmethod
    def kernel(self, length: int) -> Float[Array, "length dim"]:
        """k_0 ... k_{length-1}."""


def check_method(layer: str, method: str) -> None:
    """A form must be one of those there are."""
    if method not in (known := ["auto", "chunked", "fft", "scan"]):
        raise InputError(f"{layer}: unknown method {method!r}; choose from {known}.")


def rows_at_once(length: int) -> int:
    """Rows of a chunk: a power of two from 16 to `CHUNK`, about a thirty-second of the sequence."""
    return min(CHUNK, max(16, 1 << (length // 32).bit_length() >> 1))


def step(
    bank: Bank,
    x_t: Float[Array, "dim"],
    state: Float[Array, "2 dim pairs"],
    skip: Float[Array, "dim"],
    dt: Scalar | None,
) -> tuple[Float[Array, "dim"], Float[Array, "2 dim pairs"]]:
    """One row: y_t + skip x_t and the state after it."""
    h = bank.move(bank.discretised(dt), jax.lax.complex(*state), x_t)
    return bank.read(h) + skip * x_t, _as_real(h)


def run(
    bank: Bank,
    x: Float[Array, "time dim"],
    state: Float[Array, "2 dim pairs"] | None,
    skip: Float[Array, "dim"],
    *,
    valid: Bool[Array, "time"] | None,
    resets: Bool[Array, "time"] | None,
    dt: Float[Array, "time"] | None,
    keep: Int[Array, "kept"] | None,
    method: Method = "auto",
    chunk: int | None = None,
) -> tuple[Float[Array, "time dim"], Float[Array, "*kept_shape 2 dim pairs"]]:
    """Outputs y + skip x of all rows and states, with the arguments of a layer's call.

    `chunk` is the T of the chunked form; by default the smaller, the shorter the sequence: the matrices of a chunk cost
    the same for one sequence as for many.
    """
    if method == "auto":
        method = "chunked" if jax.default_backend() == "cpu" else "fft"
    chunk = min(rows_at_once(x.shape[0]) if chunk is None else chunk, x.shape[0])
    many = keep is not None and 3 * keep.shape[0] > x.shape[0]
    if method == "scan" or resets is not None or dt is not None or many:
        y, h = _scanned(bank, x, state, valid, resets, dt, keep, chunk)
        y = y + skip * x
    else:
        y, h = _convolved(bank, x, state, skip, valid, keep, chunk, method)
    return y, _as_real(h)


def _as_real(h: Complex[Array, "*kept dim pairs"]) -> Float[Array, "*kept 2 dim pairs"]:
    return jnp.stack([h.real, h.imag], axis=-3)


def _scanned(bank, x, state, valid, resets, dt, keep, chunk):
    """The loop over rows, in chunks whose states are computed again in the backward pass."""
    constant = bank.discretised(None) if dt is None else None
    h0 = jax.lax.complex(*(jnp.zeros((2, *bank.rates.shape), x.dtype) if state is None else state))
    length, short = x.shape[0], -x.shape[0] % chunk
    if short and valid is None:
        valid = jnp.ones(length, bool)
    rows = jax.tree.map(lambda v: in_chunks(v, chunk), (x, valid, resets, dt))

    def row(h, values):
        x_t, taken, restarted, dt_t = values
        before = h if restarted is None else jnp.where(restarted, 0.0, h)
        after = bank.move(constant if dt_t is None else bank.discretised(dt_t), before, x_t)
        held = after if taken is None else jnp.where(taken, after, before)
        return held, (bank.read(after), held if keep is not None else None)

    through = jax.checkpoint(lambda h, values: jax.lax.scan(row, h, values))

    def body(carry, values):
        h, kept, start = carry
        h, (y, states) = through(h, values)
        if keep is not None:
            place = keep - start
            inside = ((place >= 0) & (place < chunk))[:, None, None]
            kept = jnp.where(inside, states[jnp.clip(place, 0, chunk - 1)], kept)
        return (h, kept, start + chunk), y

    kept = None if keep is None else jnp.zeros((keep.shape[0], *h0.shape), h0.dtype)
    keep = None if keep is None else jnp.where(keep < 0, keep + length, keep)
    (last, kept, _), y = jax.lax.scan(body, (h0, kept, jnp.zeros((), int)), rows)
    return y.reshape(-1, x.shape[1])[:length], last if keep is None else kept


def _convolved(bank, x, state, skip, valid, keep, chunk, method):
    """The chunked and the FFT form, on the valid rows packed to the front."""
    length, dim = x.shape
    if valid is None:
        packed, before, count = x, None, length
    else:
        taken = jnp.cumsum(valid)
        count, before = taken[-1], taken - valid
        order = jnp.argsort(~valid, stable=True)
        packed = jnp.where(jnp.arange(length)[:, None] < count, x[order], 0.0)
    rows = in_chunks(packed, chunk)
    maps = bank.chunk_maps(chunk)
    h0 = jnp.zeros(bank.rates.shape, bank.rates.dtype) if state is None else jax.lax.complex(*state)
    # Where every row is taken, what a row adds to itself comes with the products.
    direct, folded = maps.taps[:, 0] + skip, valid is None and method == "chunked"
    added = maps._replace(taps=maps.taps.at[:, 0].set(direct if folded else 0.0))
    y, bounds = _by_channels(bank, added, rows, h0, method == "chunked", state is not None)
    y = y.reshape(-1, dim)[:length]
    if method == "fft":
        y = y + fft_conv(packed, bank.kernel(length).at[0].set(0.0))
    y = y if before is None else y[before]
    y = y if folded else y + direct * x
    if keep is None:
        return y, _after(bank, maps, rows, bounds, jnp.asarray(count))
    counts = keep % length + 1 if valid is None else taken[keep]
    return y, jax.vmap(lambda count: _after(bank, maps, rows, bounds, count))(counts)


def _by_channels(bank, maps, rows, h0, inputs_too, start_too):
    """What rows add to later ones and, by the first tap, to themselves, (chunks, chunk, dim), and the states between.

    On a CPU a few channels at a time go through all of it, which stays in the cache.
    """
    chunks, chunk, dim = rows.shape
    groups = -(-dim // AT_ONCE) if jax.default_backend() == "cpu" else 1
    width = -(-dim // groups)

    def grouped(v):
        return jnp.pad(v, [(0, groups * width - dim)] + [(0, 0)] * (v.ndim - 1)).reshape(groups, width, *v.shape[1:])

    def body(maps, columns, h0):
        blocks = jnp.moveaxis(columns, -1, 0)
        inputs = jnp.moveaxis(jnp.einsum("hcj,hjn->hcn", blocks, maps.reach, precision="highest"), 0, 1)
        bounds = bank.boundaries(maps.leap, inputs, h0)
        past = jnp.zeros((), blocks.dtype)
        if inputs_too or start_too:
            past = past + _free(maps, bounds if inputs_too else bank.boundaries(maps.leap, 0.0 * inputs, h0))
        if inputs_too:
            past = past + jnp.einsum("hcj,hij->hci", blocks, _lower_toeplitz(maps.taps), precision="highest")
        return jnp.moveaxis(jnp.broadcast_to(past, blocks.shape), 0, -1), bounds

    # Computed again group by group in the backward pass: kept, it would have to come from memory.
    part = jax.checkpoint(body, prevent_cse=False) if inputs_too and groups > 1 else body
    columns = jnp.pad(rows, [(0, 0), (0, 0), (0, groups * width - dim)]).reshape(chunks, chunk, groups, width)
    maps, h0 = jax.tree.map(grouped, (maps, h0))
    past, bounds = jax.lax.scan(lambda _, group: (None, part(*group)), None, (maps, jnp.moveaxis(columns, 2, 0), h0))[1]
    past = jnp.moveaxis(past, 0, 2).reshape(chunks, chunk, -1)[..., :dim]
    return past, jnp.moveaxis(bounds, 0, 1).reshape(chunks + 1, groups * width, -1)[:, :dim]


def _free(maps: ChunkMaps, bounds: Array) -> Float[Array, "dim chunks chunk"]:
    """What the states before the chunks add to the outputs."""
    before = jnp.moveaxis(jnp.concatenate([bounds[:-1].real, bounds[:-1].imag], axis=-1), 0, 1)
    return jnp.einsum("hcn,hin->hci", before, maps.respond, precision="highest")


def _after(bank: Bank, maps: ChunkMaps, rows: Array, bounds: Array, count: Array) -> State:
    """The state after `count` packed rows: that at the chunk border before, and the rows since as a chunk's last."""
    chunk = rows.shape[1]
    since = rows.at[count // chunk].get(mode="clip")
    last = jax.lax.dynamic_slice_in_dim(jnp.concatenate([jnp.zeros_like(since), since]), count % chunk, chunk)
    gained = jnp.einsum("jh,hjn->hn", last, maps.reach, precision="highest")
    return bank.drift(bounds[count // chunk], count % chunk, chunk) + jax.lax.complex(*jnp.split(gained, 2, axis=-1))


def _lower_toeplitz(taps: Float[Array, "dim chunk"]) -> Float[Array, "dim chunk chunk"]:
    """Entry (i, j) is k_{i-j} for j <= i, else zero: copies of one row laid end to end, each read one entry on."""
    dim, chunk = taps.shape
    row = jnp.concatenate([taps[:, :1], jnp.zeros((dim, chunk), taps.dtype), taps[:, :0:-1]], axis=1)
    laid = jnp.broadcast_to(row[:, None], (dim, chunk, 2 * chunk)).reshape(dim, -1)
    return laid[:, : chunk * (2 * chunk - 1)].reshape(dim, chunk, -1)[:, :, :chunk]
