"""Models of equal size whose laws of the next value differ: families of real values, and binned ones."""

from bisect import bisect_right

import equinox as eqx
import jax
from density_tasks import Task

import alternax as ax
from alternax.core.fixed import parameter_count

BINS, FREQUENCIES, SWEEP = 64, 12, (8, 16, 64, 256)
BODIES = ("LSTM", "Alternator")


def title(bins: int, frequencies: int | None) -> str:
    """What a law over bins is called."""
    return f"{bins} bins" if frequencies is None else f"{bins} bins, Fourier head"


def every_law(task: Task) -> dict[str, tuple[ax.families.Family, str | None]]:
    """All families, and what each is a change from."""
    binned = {
        title(bins, frequencies): (ax.families.Binned(bins, *task.span, frequencies=frequencies), None)
        for bins in SWEEP
        for frequencies in (None, FREQUENCIES)
    }
    return {
        "Gaussian": (ax.families.Normal(), "change"),
        "Gaussian, no residual": (ax.families.Normal(), None),
        "Student-t": (ax.families.StudentT(), "change"),
        "mixture of 3 Gaussians": (ax.families.Mixture(3), "change"),
        **binned,
    }


def laws(task: Task) -> list[str]:
    """Those in the task's table."""
    real = ["Gaussian", "Student-t", "mixture of 3 Gaussians", title(BINS, None), title(BINS, FREQUENCIES)]
    return real if task.law_known else [*real, "Gaussian, no residual"]


def build(
    body: str, law: ax.families.Family, residual: str | None, controls: int, width: int, seed: int
) -> ax.Alternator | ax.Autoregressive:
    """An LSTM as a model by itself, or as g of an Alternator."""
    shared = {"width": width, "depth": 1, "residual": residual, "control_dim": controls, "key": jax.random.key(seed)}
    if body == "LSTM":
        return ax.Autoregressive(1, body="lstm", law=[law], **shared)
    return ax.Alternator(1, latent_dim=width, ftn="lstm", otn="mlp", noise=[law], **shared)


def widest(body: str, law: ax.families.Family, residual: str | None, task: Task) -> int:
    """Width of the largest model within the task's number of parameters."""

    def size(width: int) -> int:
        made = eqx.filter_eval_shape(build, body, law, residual, task.train.control_dim, width, 0)
        return parameter_count(made)

    return bisect_right(range(80), task.budget, lo=8, key=size) - 1
