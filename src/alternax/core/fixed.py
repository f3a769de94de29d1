"""Arrays of a model: which of them are not trained (schedules, observation operators), and how large they all are."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array


class Fixed(eqx.Module):
    """Wraps an array (or None) so that no optimiser changes it."""

    value: Array | None


def trainable(tree: Any) -> Any:
    """A filter of the tree's structure, True at every inexact array outside `Fixed` (for `eqx.partition`)."""

    def mark(node):
        inside_fixed = isinstance(node, Fixed)
        return jax.tree.map(lambda leaf: eqx.is_inexact_array(leaf) and not inside_fixed, node)

    return jax.tree.map(mark, tree, is_leaf=lambda node: isinstance(node, Fixed))


def parameter_count(tree: Any) -> int:
    """Numbers in all arrays of a model or a part of it, those in `Fixed` included."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree) if hasattr(leaf, "size"))
