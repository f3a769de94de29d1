"""An autoregressive model with affine parts is a VAR(1), and its joint Gaussian law written from the equations alone.

x_t = A x_{t-1} + b + W w_t + D^(1/2) e_t, with x_0 = 0
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from models.alternator.linear_gaussian import Joint

from alternax.models import Autoregressive

OBS = 2
A, b = np.array([[0.7, -0.4], [0.3, 0.5]]), np.array([0.3, -0.2])
W, D = np.array([[0.5], [-0.3]]), np.array([0.4, 0.2])


def var(**settings) -> Autoregressive:
    """The body hands the row on, the head is A; what they see beside it in complete, regular data weighs nothing."""
    settings = {"law": "lowrank", "rank": 1, "residual": None} | settings
    model = Autoregressive(OBS, body="affine", head="affine", width=OBS, **settings, key=jax.random.key(0))
    unseen, unused = np.full((OBS, OBS), 50.0), model.noise.out_dim
    body, head = np.hstack([np.eye(OBS), unseen]), np.hstack([A, np.zeros((OBS, OBS))])
    noise = (np.log(np.sqrt(D) - 1e-3), W) if model.noise.factor is not None else (model.noise.log_scale, None)
    weights = (body, np.zeros(OBS), np.pad(head, ((0, unused), (0, 0))), np.pad(b, (0, unused)), *noise)
    return eqx.tree_at(
        lambda m: (
            m.body.net.weight, m.body.net.bias, m.head.net.weight, m.head.net.bias, m.noise.log_scale, m.noise.factor
        ),
        model,
        tuple(None if w is None else jnp.asarray(w, dtype=float) for w in weights),
        is_leaf=lambda leaf: leaf is None,
    )  # fmt: skip


def joint(length: int, start: np.ndarray | float = 0.0) -> Joint:
    """The law of x_{1:T} given x_0."""
    noises = iter(np.eye(length * (OBS + 1)))
    draw = lambda width: np.stack([next(noises) for _ in range(width)])  # noqa: E731
    mean, part, means, maps = np.zeros(OBS) + start, np.zeros((OBS, length * (OBS + 1))), [], []
    for _ in range(length):
        mean, part = A @ mean + b, A @ part + W @ draw(1) + np.sqrt(D)[:, None] * draw(OBS)
        means.append(mean)
        maps.append(part)
    stacked = np.concatenate(maps)
    return Joint(np.concatenate(means), stacked @ stacked.T)
