"""A closed-form start for an affine Alternator: the linear model that is best one row ahead.

With affine bodies an Alternator contains linear inverse models: z holds the whitened observation (or its pattern
coordinates) at one or several time-scales, and f is a ridge regression of the next row on z. Short records, where a
free network overfits, start here and train from it.
"""

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from alternax.core.errors import InputError
from alternax.core.sequence import Sequence
from alternax.nets.body import Pointwise
from alternax.nets.noise import Noise

if TYPE_CHECKING:
    from alternax.models.alternator.model import Alternator

SMALLEST = 1e-4
CONTROL_RIDGE = 1e-3


def least_squares_start(model: "Alternator", seq: Sequence, *, ridge: float = 0.03) -> "Alternator":
    """The model with g, f, carry and noise set by ridge regression on one training sequence.

    g selects whitened columns (pattern coordinates under an operator), repeated over the latent dimensions, whose
    alphas
    then set their memories. f regresses the next row's columns less what the residual carries on the mean of z and the
    controls. The carry is the lag-one autocorrelation, the noise scales are those of the residuals (degrees of freedom
    corrected, the latent noise's share taken off).

    Args:
        model: An Alternator with affine bodies and `context=None`; residual "carry" needs an operator.
        seq: The training sequence in scaled units, complete.
        ridge: Penalty relative to the mean diagonal of the Gram matrix.

    Raises:
        InputError: For bodies that are not affine, a latent too short to hold the columns, or missing entries.
    """
    columns = _check(model, seq)
    x = np.asarray(seq.x, float)
    basis, analysis = (np.eye(model.obs_dim),) * 2 if model.operator is None else _matrices(model)
    y = x @ analysis.T
    spread = np.maximum(y.std(0), SMALLEST)
    repeats = -(-model.latent_dim // columns)
    pick = np.tile(np.diag(1.0 / spread), (repeats, 1))[: model.latent_dim]
    weight = np.zeros((model.latent_dim, model.ftn.in_dim))
    weight[:, :columns] = pick
    model = eqx.tree_at(lambda m: m.ftn, model, _affine(model.ftn, weight, -pick @ y.mean(0)))
    z = np.asarray(model.filter(seq, key=jax.random.key(0))[0], float)
    carried = x if model.operator is None and model.residual.kind == "change" else np.zeros_like(x)
    past, target = z[:-1], y[1:] - carried[:-1] @ analysis.T
    controls = np.asarray(seq.controls, float)[1:]
    beta, intercept = _ridge(past, controls, target / spread, ridge)
    weight = np.zeros((model.otn.out_dim, model.otn.in_dim))
    weight[:columns, : model.latent_dim] = beta[: model.latent_dim].T
    weight[:columns, model.otn.in_dim - controls.shape[1] :] = beta[model.latent_dim :].T
    weight[:columns] *= spread[:, None]
    bias = np.zeros(model.otn.out_dim)
    bias[:columns] = intercept * spread
    model = eqx.tree_at(lambda m: m.otn, model, _affine(model.otn, weight, bias))
    residuals = target - (
        past @ weight[:columns, : model.latent_dim].T
        + bias[:columns]
        + controls @ weight[:columns, model.otn.in_dim - controls.shape[1] :].T
    )
    freedom = len(past) / max(len(past) - past.shape[1] - controls.shape[1] - 1, 1)
    latent_share = model.sigma_z**2 * (weight[:columns, : model.latent_dim] ** 2).sum(1)
    own = np.sqrt(np.maximum((residuals**2).mean(0) * freedom - latent_share, SMALLEST))
    return _set_noise(model, own, x - y @ basis)


def _check(model: "Alternator", seq: Sequence) -> int:
    """Number of columns that z must hold."""
    for name in ("ftn", "otn"):
        net = getattr(model, name)
        if not (isinstance(net, Pointwise) and isinstance(net.net, eqx.nn.Linear)):
            raise InputError(f"a least-squares start needs {name}='affine'; found another body.")
    if model.context is not None or (model.residual.kind == "carry" and model.operator is None):
        raise InputError("a least-squares start needs context=None, and an operator where residual='carry'.")
    if not isinstance(model.noise, Noise) or model.noise.out_dim:
        raise InputError(
            "a least-squares start needs noise='learned' or 'lowrank': state-dependent scales are not linear."
        )
    if not bool((seq.observed | ~seq.valid[:, None]).all()):
        row, column = np.argwhere(~np.asarray(seq.observed))[0]
        raise InputError(f"a least-squares start needs complete rows; row {row}, column {column} is missing.")
    columns = model.obs_dim if model.operator is None else model.operator.count
    if model.latent_dim < columns:
        raise InputError(
            f"a least-squares start needs latent_dim >= {columns} to hold the columns; found {model.latent_dim}."
        )
    return columns


def _matrices(model: "Alternator") -> tuple[np.ndarray, np.ndarray]:
    assert model.operator is not None
    return np.asarray(model.operator.basis.value, float), np.asarray(model.operator.analysis.value, float)


def _affine(net: Pointwise, weight: np.ndarray, bias: np.ndarray) -> Pointwise:
    values = (jnp.asarray(weight, dtype=float), jnp.asarray(bias, dtype=float))
    return eqx.tree_at(lambda n: (n.net.weight, n.net.bias), net, values)


def _ridge(z: np.ndarray, controls: np.ndarray, target: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of [z, controls] and the intercept, which is not penalised."""
    design = np.concatenate([z, controls], 1)
    centre, middle = design.mean(0), target.mean(0)
    gram = (design - centre).T @ (design - centre)
    penalty = np.full(len(gram), CONTROL_RIDGE * len(z))
    penalty[: z.shape[1]] = ridge * np.trace(gram[: z.shape[1], : z.shape[1]]) / z.shape[1]
    beta = np.linalg.solve(gram + np.diag(penalty), (design - centre).T @ (target - middle))
    return beta, middle - centre @ beta


def _set_noise(model: "Alternator", own: np.ndarray, rest: np.ndarray) -> "Alternator":
    """Scales of the columns' (or patterns') innovations, and of the remainder's, with its carry."""
    as_log = lambda values: jnp.asarray(np.log(np.maximum(values, SMALLEST)), dtype=float)  # noqa: E731
    if model.operator is None:
        return eqx.tree_at(lambda m: m.noise.log_scale, model, as_log(own))
    share = (rest[:-1] * rest[1:]).sum(0) / np.maximum((rest[:-1] ** 2).sum(0), SMALLEST)
    share = np.clip(share, 0.01, 0.99) if model.residual.kind == "carry" else np.zeros_like(share)
    innovation = (rest[1:] - share * rest[:-1]).std(0)
    model = eqx.tree_at(lambda m: m.noise.log_scale, model, as_log(innovation))
    if model.residual.kind == "carry":
        model = eqx.tree_at(lambda m: m.residual.logit, model, jnp.asarray(np.log(share / (1 - share)), dtype=float))
    assert isinstance(model.noise, Noise)
    if model.noise.patterns.value is not None:
        model = eqx.tree_at(lambda m: m.noise.factor, model, as_log(own))
    return model
