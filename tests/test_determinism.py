"""The same seed gives the same bits in another process, with another hash seed and another number of threads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

# On `one` core or all; `small`, or the default bodies with the optimisations that users run with and tests go without.
SCRIPT = """
import hashlib, json, os, sys

cores, size = sys.argv[1:]
if cores == "one" and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import jax
import numpy as np
from trained import SETTINGS, ragged

import alternax as ax


def bits(tree):
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array | np.ndarray)]
    return hashlib.sha256(b"".join(leaf.tobytes() for leaf in leaves)).hexdigest()


jax.config.update("jax_disable_most_optimizations", size == "small")
data = ragged(gap=slice(20, 30))
sizes = {"control_dim": 2, "width": 4, "depth": 1, "key": jax.random.key(0)}
if size == "small":
    model = ax.Autoregressive(2, body="affine", head="affine", law="constant", **sizes)
    fitted = ax.fit(model, data, **SETTINGS, seed=3)
else:
    model = ax.Alternator(2, latent_dim=3, **sizes)
    score = ax.RolloutScore("crps", horizon=3, samples=2, origins=2)
    fitted = ax.fit(model, data, **SETTINGS | {"objective": ax.Elbo() + score}, seed=3)
print(json.dumps({
    "fit": bits(fitted.model),
    "losses": [value.hex() for value in (*fitted.record.train_loss, *fitted.record.valid_loss)],
    "forecast": bits(fitted.forecast(horizon=3, samples=4, seed=5).samples),
    "another seed": bits(fitted.forecast(horizon=3, samples=4, seed=6).samples),
    "filter": bits(fitted.filter(data).mean),
    "impute": bits(fitted.impute(data, samples=2, lag=4, seed=5).samples),
}))
"""


def start(cores: str, size: str, hash_seed: str) -> subprocess.Popen:
    path = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))
    settings = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": path, "JAX_ENABLE_COMPILATION_CACHE": "0"}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, cores, size], env=os.environ | settings, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module", params=["small", pytest.param("default", marks=pytest.mark.slow)])
def both(request) -> tuple[dict, dict]:
    """Two processes side by side: one core and hash seed 1, all cores and hash seed 2."""
    running = [start("one", request.param, "1"), start("all", request.param, "2")]
    outputs = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    first, second = (json.loads(output) for output in outputs)
    return first, second


@pytest.mark.parametrize("what", ["fit", "losses", "forecast", "filter", "impute"])
def test_another_process_gives_the_same_bits(both, what):
    first, second = both
    assert first[what] == second[what]


def test_another_seed_gives_other_bits(both):
    assert both[0]["forecast"] != both[0]["another seed"]
