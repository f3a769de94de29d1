"""Arrays that belong to a model but are not trained: schedules, observation operators."""

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
