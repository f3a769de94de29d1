"""Alternators whose networks are convolutions on the grid of the sea-surface temperature, and how they are trained."""

from typing import NamedTuple

import jax

import alternax as ax
from alternax.demo import sea_surface

HORIZON, VECTOR = sea_surface.HORIZON, "convolutions, latent vector of 16"


class Setting(NamedTuple):
    """How a network is trained."""

    steps: int
    learning_rate: float
    weight_decay: float
    average: float | None

    def __str__(self) -> str:
        """In words, as in names of kept files."""
        words = f"{self.steps} steps, rate {self.learning_rate}, weight decay {self.weight_decay}"
        return words if self.average is None else f"{words}, average {self.average}"


def temperature(data: ax.Sequences) -> ax.Sequences:
    """Without the winds."""
    return data.select([column for column in data.schema.values if column.startswith("sst")])


def networks(sst: ax.Sequences) -> dict[str, tuple[int, ax.GridNet]]:
    """Length of the latent and the networks, by name."""
    grid = ax.Grid.of(sst)
    field = grid.coarse(2, channels=4)
    shapes = {
        VECTOR: (16, {}),
        "convolutions, latent field 4 x 4 x 15": (field.obs_dim, {"latent": field}),
        "convolutions, U-Net with skip paths, latent field": (field.obs_dim, {"latent": field, "skip": True}),
    }
    return {name: (size, ax.GridNet(grid, width=12, levels=2, **more)) for name, (size, more) in shapes.items()}


def train(data: ax.Sequences, rows: int, latent_dim: int, net: ax.GridNet, setting: Setting, seed: int) -> ax.Fitted:
    """Fitted on rollouts up to the horizon, like the demo's."""
    known = data.rows(0, rows)
    model = ax.Alternator(
        data.obs_dim, latent_dim=latent_dim, control_dim=data.control_dim, ftn=net, otn=net, alpha="learned",
        noise="lowrank", rank=8, residual="carry", key=jax.random.key(seed),
    )  # fmt: skip
    return ax.fit(
        model, known, objective=ax.RolloutScore("crps", horizon=HORIZON, samples=2, origins=8),
        transform=ax.Chain([ax.SeasonalAnomaly("month"), ax.Scale("all")]).fit(known), batch=1, window=36, valid=None,
        every=10, seed=seed, progress=False, **setting._asdict(),
    )  # fmt: skip
