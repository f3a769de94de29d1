"""A language model: an embedding of tokens, causal layers, a norm, and scores for the token that comes next.

    x_t = embedding[token_t],    y = blocks(x),    logits_t = head norm(y_t),    head = embedding where it is tied

The norm divides by the root mean square (arXiv 1910.07467); the blocks bring their own (Mamba, arXiv 2312.00752).
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import Layer, LayerState
from alternax.layers.block import check_causal
from alternax.layers.inputs import check_size


class Language(eqx.Module):
    """Causal layers between tokens and the scores of the next one; called and stepped as a `Layer` is.

    Attributes:
        embedding: A row for each token.
        blocks: The layers, with their residual connections.
        norm: Before the head.
        head: A row for each token; None where `embedding` serves.
    """

    embedding: Float[Array, "vocabulary dim"]
    blocks: Layer
    norm: eqx.nn.RMSNorm
    head: Float[Array, "vocabulary dim"] | None

    def __init__(self, vocabulary: int, blocks: Layer, *, tied: bool = True, eps: float = 1e-5, key: PRNGKeyArray):
        """Embedding and head start normal with variance 1 / dim.

        Args:
            vocabulary: Number of tokens.
            blocks: Any causal layer, such as `stack("mamba2", block="plain", ...)`.
            tied: Whether the embedding is the head, too.
            eps: Added to the mean square in the norm.
            key: JAX random key.

        Raises:
            InputError: `vocabulary` below 1, `blocks` not a `Layer`.

        Example:
            >>> blocks = stack("mamba2", depth=2, dim=16, block="plain", key=jax.random.key(0))
            >>> logits, state = Language(50, blocks, key=jax.random.key(1))(jnp.array([3, 1, 4]))
        """
        check_size("Language", vocabulary=vocabulary)
        check_causal("Language", blocks)
        embedding_key, head_key = jax.random.split(key)
        shape, scale = (vocabulary, blocks.dim), 1 / math.sqrt(blocks.dim)
        self.embedding = scale * jax.random.normal(embedding_key, shape)
        self.blocks = blocks
        self.norm = eqx.nn.RMSNorm(blocks.dim, eps=eps, use_bias=False)
        self.head = None if tied else scale * jax.random.normal(head_key, shape)

    def init_state(self) -> LayerState:
        """The state before the first token."""
        return self.blocks.init_state()

    def __call__(
        self,
        tokens: Int[Array, "time"],
        state: LayerState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time vocabulary"], LayerState]:
        """The logits of the token after each of `tokens`, and the state; the keywords are those of `Layer`.

        Raises:
            InputError: tokens that are not one sequence of integers below the size of the vocabulary.
        """
        x = self._embedded(tokens, 1)
        y, state = self.blocks(x, state, valid=valid, resets=resets, dt=dt, keep=keep, key=key)
        return self._logits(jax.vmap(self.norm)(y)), state

    def step(
        self, token: Int[Array, ""], state: LayerState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "vocabulary"], LayerState]:
        """One token: the logits of the next, and the state after it."""
        y_t, state = self.blocks.step(self._embedded(token, 0), state, dt=dt, key=key)
        return self._logits(self.norm(y_t)), state

    def _logits(self, y: Float[Array, "*time dim"]) -> Float[Array, "*time vocabulary"]:
        return y @ (self.embedding if self.head is None else self.head).T

    def _embedded(self, tokens: Int[Array, "*time"], axes: int) -> Float[Array, "*time dim"]:
        """The rows of the tokens; a token that is none, seen too late to refuse it, has a row of NaN."""
        if tokens.ndim != axes or tokens.size == 0 or not jnp.issubdtype(tokens.dtype, jnp.integer):
            wanted = "a sequence of integers (time,)" if axes else "one integer"
            raise InputError(f"Language: expected {wanted}, found {tokens.dtype} of shape {tokens.shape}.")
        vocabulary = self.embedding.shape[0]
        if not isinstance(tokens, Tracer):
            values = np.atleast_1d(tokens)
            wrong = np.flatnonzero((values < 0) | (values >= vocabulary))
            if wrong.size:
                row = int(wrong[0])
                raise InputError(
                    f"Language: expected tokens from 0 to {vocabulary - 1}, found {values[row]} at row {row}."
                )
        return self.embedding.at[tokens].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
