"""The past of all rows at once against the loop over `Past.wait` and `Past.take`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax.core.sequence import Sequence
from alternax.nets.context_scale import ContextScale
from alternax.nets.past import Past, past_rows

LENGTH, OBS = 12, 2


@pytest.mark.float64
@pytest.mark.parametrize("scaling", [None, ContextScale(OBS, 3)])
def test_all_rows_at_once_equal_the_loop(scaling):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(LENGTH, OBS))
    x[[0, 3]] = x[5, 0] = x[9] = np.nan
    valid, resets = ~np.isin(np.arange(LENGTH), [4, 10]), np.isin(np.arange(LENGTH), [7, 9, 10])
    columns = {"dt": rng.uniform(0.2, 3, LENGTH), "valid": valid, "resets": resets}
    seq = Sequence.build(jnp.asarray(x), **{name: jnp.asarray(v) for name, v in columns.items()})
    start = Past.none(OBS, scaling).wait(jnp.asarray(0.4)).take(jnp.ones(OBS), jnp.array([True, False]), scaling)
    start = start.wait(jnp.asarray(0.7))
    found, past, step = past_rows(seq, start, jnp.asarray(5), scaling), start, 5
    for t in range(LENGTH):
        if valid[t]:
            past = Past.none(OBS, scaling) if resets[t] else past
            past = past.wait(seq.dt[t])
            same(jax.tree.map(lambda a, t=t: a[t], found.before), past)
            past = past.take(seq.x[t], seq.observed[t], scaling)
        assert int(found.step[t]) == step
        assert bool(found.seen[t]) == bool(valid[t] and np.isfinite(x[t]).any())
        same(jax.tree.map(lambda a, t=t: a[t], found.after), past)
        step += int(valid[t])


def same(found: Past, want: Past) -> None:
    """Last values and times; of the scale what it is for, as its sums may be held in two ways before the first row."""
    for name in ("last", "age", "elapsed"):
        np.testing.assert_allclose(getattr(found, name), getattr(want, name), rtol=1e-12, atol=1e-12)
    if want.scale is not None:
        scaling = ContextScale(OBS, 3)
        np.testing.assert_allclose(
            jnp.stack(scaling.location_scale(found.scale)), jnp.stack(scaling.location_scale(want.scale)), rtol=1e-10
        )
