"""Weights in double precision, read as they are."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from alternax.nets import from_huggingface

pytestmark = pytest.mark.float64
GOLDEN = Path(__file__).parents[1] / "golden" / "layers" / "huggingface_mamba2"


def test_double_precision_is_kept(tmp_path):
    (tmp_path / "config.json").write_bytes((GOLDEN / "config.json").read_bytes())
    tensors = {name: value.astype(float) / 3 for name, value in load_file(GOLDEN / "model.safetensors").items()}
    save_file(tensors, tmp_path / "model.safetensors")
    language = from_huggingface(tmp_path)
    assert all(leaf.dtype == jnp.float64 for leaf in jax.tree.leaves(language))
    np.testing.assert_array_equal(language.embedding, tensors["backbone.embeddings.weight"])
    tokens, state = jnp.array([3, 1, 4, 1, 5]), language.init_state()
    step = eqx.filter_jit(language.step)
    for token, want in zip(tokens, eqx.filter_jit(language)(tokens)[0], strict=True):
        logits, state = step(token, state)
        np.testing.assert_allclose(logits, want, rtol=1e-10, atol=1e-12)
