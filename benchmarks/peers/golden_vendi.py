"""Vendi scores of a few similarity matrices as the package vendi-score has them, for tests/metrics/test_vendi.py.

Runs in an environment of its own with vendi-score, scikit-learn and safetensors: python golden_vendi.py
"""

import numpy as np
from record import GOLDEN, record
from vendi_score import vendi

ORDERS = (1.0, 1.5, 2.0, 3.0, np.inf)


def main() -> None:
    """Gaussian and cosine similarities of random rows, some of them alike."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(10, 3))
    rows[7] = rows[2]
    apart = ((rows[:, None] - rows[None]) ** 2).sum(-1)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    K = np.stack([np.exp(-apart / 6), np.exp(-apart / 0.1), unit @ unit.T])
    scores = [[vendi.score_K(k, q="inf" if q == np.inf else q) for q in ORDERS] for k in K]
    tensors = {"K": K, "orders": np.array(ORDERS), "scores": np.array(scores)}
    record("vendi", tensors, ["vendi-score", "numpy"], GOLDEN / "metrics")


if __name__ == "__main__":
    main()
